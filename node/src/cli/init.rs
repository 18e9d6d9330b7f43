//! `zkaggle init`.

use super::args::{InitArgs, PasswordArgs, RoleArg};
use super::output::Output;
use crate::failure::Failure;
use crate::node_dir::NodeDir;
use anyhow::{Context, Result};
use serde_json::json;
use zkaggle_vault::password::{Ask, Password};
use zkaggle_vault::{KdfParams, Keystore};

pub fn run(args: InitArgs, out: Output) -> Result<()> {
    let password = password(&args.password, Ask::New)?;
    let dir = NodeDir::open(&args.dir)?;
    if dir.config().exists() {
        return Err(Failure::refused(format!(
            "{} exists already; this folder is a node's",
            dir.config().display()
        )));
    }
    let keystore = Keystore::create(dir.root(), &password, KdfParams::default()).context("make the node's seed")?;
    let account = crate::identity::signer(keystore.seed())?.address();
    let role = args.role.as_str();
    write_config(&dir, args.role)?;
    let text = format!(
        "A {role}'s folder is ready at {}.\n\
         Account {account}: send it ether before it commits or posts.\n\
         Its secrets follow from one seed, sealed with your password: `zkaggle backup` before you spend.\n\
         ZKaggle is unaudited; see SECURITY.md.",
        args.dir.display()
    );
    out.print(&json!({ "dir": args.dir, "account": account, "role": role }), &text)
}

/// Writes the commented configuration of a new or restored node.
pub fn write_config(dir: &NodeDir, role: RoleArg) -> Result<()> {
    crate::files::write_private(&dir.config(), zkaggle_config::template(role.as_str()).as_bytes())
}

/// The password from its file, from the file that `ZKAGGLE_PASSWORD_FILE` names, or asked for on the terminal.
pub fn password(args: &PasswordArgs, ask: Ask) -> Result<Password> {
    Password::obtain(args.password_file.as_deref(), "password", ask).context("the node's password")
}
