//! The timeline of a story: one line per finished step, one progress bar per running step.
//!
//! [`Timeline`] is the state, [`line`] and [`draw`] render it, [`Screen`] owns the terminal. When
//! the output is no terminal a [`Screen`] prints the finished lines and nothing else, so logs stay
//! readable.

use ratatui::backend::CrosstermBackend;
use ratatui::layout::{Constraint, Layout};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Gauge, Paragraph};
use ratatui::{Frame, Terminal, TerminalOptions, Viewport};
use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

/// Running steps that fit on the screen at once; more are counted, not drawn.
const ROWS: u16 = 4;

/// A finished step and what it cost.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Step {
    /// What was done, in words; unique within a story.
    pub name: String,
    /// Who did it: `provider`, `hunter-1`, `chain`.
    pub who: String,
    /// Wall time in seconds.
    pub seconds: f64,
    /// Gas of the step's transactions, if it sent any.
    pub gas: Option<u64>,
    /// Bytes of what the step made or moved: a proof, a block, a ciphertext.
    pub bytes: Option<u64>,
    /// Peak resident memory of the process during the step, in MiB.
    pub peak_rss_mib: u64,
}

/// A step under way.
#[derive(Clone, Debug)]
pub struct Running {
    pub name: String,
    pub who: String,
    pub since: Instant,
    /// Expected duration, when something comparable has been measured.
    pub expected: Option<Duration>,
}

impl Running {
    /// Share done at `now`, from the expected duration; never 1 before the step says so.
    pub fn ratio(&self, now: Instant) -> f64 {
        let spent = now.saturating_duration_since(self.since).as_secs_f64();
        match self.expected {
            Some(e) if !e.is_zero() => (spent / e.as_secs_f64()).min(0.99),
            _ => 0.0,
        }
    }
}

/// Steps under way, in the order they started.
#[derive(Clone, Debug, Default)]
pub struct Timeline {
    running: Vec<Running>,
}

impl Timeline {
    pub fn start(&mut self, step: Running) {
        self.running.push(step);
    }

    /// Removes the running step that `done` finishes, if it was announced.
    pub fn finish(&mut self, done: &Step) {
        if let Some(i) = self
            .running
            .iter()
            .position(|r| r.name == done.name && r.who == done.who)
        {
            self.running.remove(i);
        }
    }

    pub fn running(&self) -> &[Running] {
        &self.running
    }
}

/// `1234567` as `1,234,567`.
pub fn grouped(v: u64) -> String {
    let s = v.to_string();
    let mut out = String::new();
    for (i, c) in s.chars().enumerate() {
        if i > 0 && (s.len() - i) % 3 == 0 {
            out.push(',');
        }
        out.push(c);
    }
    out
}

/// The heading above [`line`]'s columns.
pub fn heading() -> String {
    format!(
        "{:>8}  {:<9} {:<46} {:>12} {:>9} {:>6}",
        "seconds", "who", "step", "gas", "bytes", "MiB"
    )
}

/// One finished step as a line of fixed columns.
pub fn line(s: &Step) -> String {
    let opt = |v: Option<u64>| v.map_or_else(|| "-".to_owned(), grouped);
    format!(
        "{:>8.2}  {:<9} {:<46} {:>12} {:>9} {:>6}",
        s.seconds,
        s.who,
        s.name,
        opt(s.gas),
        opt(s.bytes),
        grouped(s.peak_rss_mib)
    )
}

/// Draws the running steps as progress bars.
pub fn draw(f: &mut Frame<'_>, t: &Timeline, now: Instant) {
    let rows = Layout::vertical([Constraint::Length(1); ROWS as usize]).split(f.area());
    for (r, area) in t.running.iter().zip(rows.iter()) {
        let spent = now.saturating_duration_since(r.since).as_secs();
        let columns = Layout::horizontal([Constraint::Length(66), Constraint::Min(8)]).split(*area);
        let text = Line::from(vec![
            Span::styled(format!("{spent:>7}s  "), Style::default().fg(Color::Yellow)),
            Span::raw(format!("{:<9} ", r.who)),
            Span::styled(r.name.clone(), Style::default().add_modifier(Modifier::BOLD)),
        ]);
        f.render_widget(Paragraph::new(text), columns[0]);
        if r.expected.is_some() {
            let ratio = r.ratio(now);
            f.render_widget(
                Gauge::default()
                    .gauge_style(Style::default().fg(Color::Cyan))
                    .ratio(ratio)
                    .label(format!("{:.0} %", ratio * 100.0)),
                columns[1],
            );
        } else {
            f.render_widget(Paragraph::new("…"), columns[1]);
        }
    }
}

enum Output {
    Live(Box<Terminal<CrosstermBackend<io::Stderr>>>),
    Plain,
}

/// Where a timeline is shown: a live inline viewport on a terminal, plain lines otherwise.
pub struct Screen {
    output: Output,
    timeline: Timeline,
}

impl Screen {
    /// Opens on stderr.
    pub fn open() -> Self {
        let live = io::stderr().is_terminal();
        let output = live
            .then(|| {
                Terminal::with_options(
                    CrosstermBackend::new(io::stderr()),
                    TerminalOptions {
                        viewport: Viewport::Inline(ROWS),
                    },
                )
                .ok()
            })
            .flatten()
            .map_or(Output::Plain, |t| Output::Live(Box::new(t)));
        let mut screen = Self {
            output,
            timeline: Timeline::default(),
        };
        screen.print(&heading());
        screen
    }

    /// Prints a line above the bars.
    pub fn print(&mut self, text: &str) {
        match &mut self.output {
            Output::Live(t) => {
                let widget = Paragraph::new(text.to_owned());
                // A terminal that went away must not stop the story.
                let _ = t.insert_before(1, |buf| ratatui::widgets::Widget::render(widget, buf.area, buf));
                let _ = t.draw(|f| draw(f, &self.timeline, Instant::now()));
            }
            Output::Plain => {
                let _ = writeln!(io::stderr(), "{text}");
            }
        }
    }

    pub fn start(&mut self, step: Running) {
        self.timeline.start(step);
        self.tick();
    }

    pub fn finish(&mut self, step: &Step) {
        self.timeline.finish(step);
        self.print(&line(step));
    }

    /// Redraws the bars; call a few times a second.
    pub fn tick(&mut self) {
        if let Output::Live(t) = &mut self.output {
            let _ = t.draw(|f| draw(f, &self.timeline, Instant::now()));
        }
    }

    /// Clears the bars and leaves the cursor on a fresh line.
    pub fn close(mut self) {
        if let Output::Live(t) = &mut self.output {
            let _ = t.clear();
            let _ = t.show_cursor();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ratatui::backend::TestBackend;

    fn step() -> Step {
        Step {
            name: "verify and rank".into(),
            who: "chain".into(),
            seconds: 1.5,
            gas: Some(1_234_567),
            bytes: None,
            peak_rss_mib: 812,
        }
    }

    #[test]
    fn a_finished_step_is_one_line_under_the_heading() {
        assert_eq!(
            line(&step()),
            "    1.50  chain     verify and rank                                   1,234,567         -    812"
        );
        assert_eq!(line(&step()).chars().count(), heading().chars().count());
    }

    #[test]
    fn running_steps_show_elapsed_time_and_leave_when_finished() {
        let t0 = Instant::now();
        let mut t = Timeline::default();
        t.start(Running {
            name: "verify and rank".into(),
            who: "chain".into(),
            since: t0,
            expected: Some(Duration::from_secs(10)),
        });
        let mut term = Terminal::new(TestBackend::new(100, ROWS)).unwrap();
        term.draw(|f| draw(f, &t, t0 + Duration::from_secs(4))).unwrap();
        let text: String = term.backend().buffer().content().iter().map(|c| c.symbol()).collect();
        assert!(text.contains("4s  chain     verify and rank"), "{text}");
        assert!(text.contains("40 %"), "{text}");
        t.finish(&step());
        assert!(t.running().is_empty());
    }

    #[test]
    fn a_bar_never_reaches_the_end_by_waiting() {
        let r = Running {
            name: String::new(),
            who: String::new(),
            since: Instant::now(),
            expected: Some(Duration::from_secs(1)),
        };
        assert!(r.ratio(r.since + Duration::from_secs(100)) < 1.0);
    }

    #[test]
    fn numbers_are_grouped() {
        assert_eq!(
            [0, 999, 1000, 16_777_216].map(grouped),
            ["0", "999", "1,000", "16,777,216"]
        );
    }
}
