//! `cutover status --watch`: the tree, drawn anew.
//!
//! On a terminal it has the screen for itself until Ctrl-C, and then gives it back as it was. Elsewhere
//! it prints one block after the other, whenever something has changed.

use std::{
    io::{self, IsTerminal, Write},
    net::SocketAddr,
    process::ExitCode,
    time::{Duration, SystemTime},
};

use humantime::format_rfc3339_seconds;
use rustix::termios::tcgetwinsize;
use tokio::signal::unix::{SignalKind, signal};

use super::{Form, style};
use crate::admin::{
    client::{self, StatusError},
    status::Status,
    tree::tree,
};

const LOOK_EVERY: Duration = Duration::from_secs(1);
/// A screen of its own without a cursor, and back.
const ENTER: &str = "\x1b[?1049h\x1b[?25l";
const LEAVE: &str = "\x1b[?25h\x1b[?1049l";

pub(super) async fn run(
    http: SocketAddr,
    form: Form,
    out: &mut impl Write,
) -> anyhow::Result<ExitCode> {
    // Before the screen is ours: a signal without a handler would leave it as it is.
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut ticks = tokio::time::interval(LOOK_EVERY);
    let mut shown = match form == Form::Text && io::stdout().is_terminal() {
        true => Shown::Screen(Screen::enter(out, style::is_coloured(&io::stdout()))?),
        false => Shown::Blocks { out, last: String::new() },
    };
    loop {
        let look = async {
            ticks.tick().await;
            client::status(http).await
        };
        tokio::select! {
            status = look => shown.show(&status, form)?,
            _ = interrupt.recv() => return Ok(ExitCode::SUCCESS),
            _ = terminate.recv() => return Ok(ExitCode::SUCCESS),
        }
    }
}

enum Shown<'o, W: Write> {
    Screen(Screen<'o, W>),
    Blocks { out: &'o mut W, last: String },
}

impl<W: Write> Shown<'_, W> {
    /// A daemon that does not answer is shown too: it may be starting again.
    fn show(&mut self, status: &Result<Status, StatusError>, form: Form) -> io::Result<()> {
        let now = format_rfc3339_seconds(SystemTime::now());
        match self {
            Self::Screen(screen) => {
                let (rows, columns) = size();
                screen.draw(&format!("{now}\n{}", text(status)), rows, columns)
            }
            Self::Blocks { out, last } => {
                let block = match form {
                    Form::Text => text(&still(status)),
                    Form::Json => json(&still(status))?,
                };
                if *last != block {
                    *last = block;
                    match (form, status) {
                        (Form::Text, _) => writeln!(out, "{now}\n{}", text(status))?,
                        (Form::Json, Ok(_)) => writeln!(out, "{}", json(status)?)?,
                        (Form::Json, Err(error)) => writeln!(io::stderr(), "cutover: {error}")?,
                    }
                    out.flush()?;
                }
                Ok(())
            }
        }
    }
}

/// Of the terminal, in lines and columns; some say nothing, or that they have none.
fn size() -> (usize, usize) {
    let size = tcgetwinsize(io::stdout()).ok();
    let of =
        |said: Option<u16>, usual: usize| said.filter(|&said| said > 0).map_or(usual, usize::from);
    (of(size.map(|size| size.ws_row), 24), of(size.map(|size| size.ws_col), 80))
}

fn text(status: &Result<Status, impl std::fmt::Display>) -> String {
    status.as_ref().map_or_else(|error| format!("{error}\n"), tree)
}

/// On one line, for those who read line by line.
fn json(status: &Result<Status, impl std::fmt::Display>) -> io::Result<String> {
    match status {
        Ok(status) => Ok(serde_json::to_string(status)?),
        Err(error) => Ok(error.to_string()),
    }
}

/// What would be worth showing again if it were otherwise: not how long a probe took, what is
/// counted, nor the horizon of what is being answered.
fn still(status: &Result<Status, StatusError>) -> Result<Status, String> {
    let mut status = match status {
        Ok(status) => status.clone(),
        Err(error) => return Err(error.to_string()),
    };
    status.now.clear();
    for service in status.services.values_mut() {
        (service.rollback, service.clients) = (None, None);
    }
    for pool in status.services.values_mut().flat_map(|service| service.pools.values_mut()) {
        (pool.answers, pool.answered, pool.clearing) = (0, None, None);
        if pool.share > 0 {
            pool.horizon = None;
        }
        pool.endpoints.iter_mut().for_each(|endpoint| endpoint.latency_ms = None);
    }
    Ok(status)
}

/// The terminal, while it is ours.
struct Screen<'o, W: Write> {
    out: &'o mut W,
    is_coloured: bool,
}

impl<'o, W: Write> Screen<'o, W> {
    fn enter(out: &'o mut W, is_coloured: bool) -> io::Result<Self> {
        out.write_all(ENTER.as_bytes())?;
        Ok(Self { out, is_coloured })
    }

    /// As many lines as there is room for, each cut to the width.
    fn draw(&mut self, text: &str, rows: usize, columns: usize) -> io::Result<()> {
        let lines: Vec<&str> = text.lines().collect();
        let room = rows.max(2) - 1;
        let mut drawn = "\x1b[H".to_owned();
        let fits = lines.len() <= room;
        for line in &lines[..if fits { lines.len() } else { room - 1 }] {
            let line: String = line.chars().take(columns).collect();
            drawn.push_str(&if self.is_coloured { style::painted(&line) } else { line });
            drawn.push_str("\x1b[K\r\n");
        }
        if !fits {
            let more = format!("… and {} lines more", lines.len() - (room - 1));
            drawn.extend(more.chars().take(columns));
        }
        drawn.push_str("\x1b[J");
        self.out.write_all(drawn.as_bytes())?;
        self.out.flush()
    }
}

impl<W: Write> Drop for Screen<'_, W> {
    fn drop(&mut self) {
        // The terminal may be gone.
        let _ = self.out.write_all(LEAVE.as_bytes());
        let _ = self.out.flush();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(text: &str, rows: usize, columns: usize) -> String {
        let mut out = Vec::new();
        let mut screen = Screen::enter(&mut out, false).expect("written");
        screen.draw(text, rows, columns).expect("written");
        drop(screen);
        let drawn = String::from_utf8(out).expect("text");
        let drawn = drawn.strip_prefix(ENTER).expect("begun").to_owned();
        drawn.strip_suffix(LEAVE).expect("given back").to_owned()
    }

    #[test]
    fn what_fits_is_drawn_whole_and_the_rest_of_the_screen_is_cleared() {
        let whole = drawn("zone\n└─ api\n", 24, 80);
        assert_eq!(whole, "\x1b[Hzone\x1b[K\r\n└─ api\x1b[K\r\n\x1b[J");
    }

    #[test]
    fn what_does_not_fit_is_cut_and_the_last_line_says_so() {
        assert_eq!(drawn("└─ api\n", 24, 4), "\x1b[H└─ a\x1b[K\r\n\x1b[J");
        let cut = drawn("1\n2\n3\n4\n5\n", 4, 80);
        assert_eq!(cut, "\x1b[H1\x1b[K\r\n2\x1b[K\r\n… and 3 lines more\x1b[J");
        assert!(drawn("1\n2\n3\n", 1, 80).contains("… and 3 lines more"));
    }
}
