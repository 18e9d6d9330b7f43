//! The `zkaggle` binary: parse, run, exit code.

use clap::Parser;
use std::process::ExitCode;
use zkaggle_node::cli::{Cli, run};
use zkaggle_node::failure::{code_of, sentence};

fn main() -> ExitCode {
    let cli = Cli::parse();
    match run(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("error: {}", sentence(&e));
            ExitCode::from(code_of(&e) as u8)
        }
    }
}
