//! What takes long says that it goes on: one line on the standard error output, if that is a terminal, from
//! two seconds on, and gone at the end. With a known end it is a bar.

use std::{
    io::{self, IsTerminal, Write},
    time::Duration,
};

use humantime::format_duration;
use rustix::termios::tcgetwinsize;
use tokio::time::{Instant, MissedTickBehavior, interval};

/// What is done sooner says nothing.
const PATIENCE: Duration = Duration::from_secs(2);
const DRAW_EVERY: Duration = Duration::from_millis(125);
const FRAMES: [char; 4] = ['|', '/', '-', '\\'];
const BAR_WIDTH: usize = 24;
/// The line anew, and the line away.
const CLEAR: &str = "\r\x1b[K";

/// The line, as long as there is something to wait for.
pub(super) struct Line {
    begun: Instant,
    is_shown: bool,
    is_drawn: bool,
}

impl Line {
    pub(super) fn new() -> Self {
        Self { begun: Instant::now(), is_shown: io::stderr().is_terminal(), is_drawn: false }
    }

    /// Whether there is anybody to see it.
    pub(super) fn is_shown(&self) -> bool {
        self.is_shown
    }

    /// Waits for something; meanwhile says for what, and how far it is if it is known when it ends.
    pub(super) async fn during<T>(
        &mut self,
        what: &str,
        ends: Option<Duration>,
        work: impl Future<Output = T>,
    ) -> T {
        if !self.is_shown {
            return work.await;
        }
        let ends = ends.map(|ends| self.begun.elapsed() + ends);
        let mut ticks = interval(DRAW_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        tokio::pin!(work);
        loop {
            tokio::select! {
                biased;
                done = &mut work => return done,
                _ = ticks.tick() => self.draw(what, ends),
            }
        }
    }

    fn draw(&mut self, what: &str, ends: Option<Duration>) {
        let Some(line) = line(what, self.begun.elapsed(), ends, columns()) else { return };
        self.is_drawn = true;
        // It is no more than a sign of life.
        let _ = write!(io::stderr(), "{CLEAR}{line}").and_then(|()| io::stderr().flush());
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        if self.is_drawn {
            let _ = write!(io::stderr(), "{CLEAR}").and_then(|()| io::stderr().flush());
        }
    }
}

/// Waits for something that may take long.
pub(super) async fn during<T>(what: &str, work: impl Future<Output = T>) -> T {
    Line::new().during(what, None, work).await
}

fn columns() -> usize {
    let said = tcgetwinsize(io::stderr()).ok().map(|size| usize::from(size.ws_col));
    said.filter(|&said| said > 0).unwrap_or(80)
}

/// What is shown after this time, if anything is; `ends` counts from the same beginning.
fn line(what: &str, elapsed: Duration, ends: Option<Duration>, columns: usize) -> Option<String> {
    if elapsed < PATIENCE {
        return None;
    }
    let in_secs = |time: Duration| format_duration(Duration::from_secs(time.as_secs())).to_string();
    let line = match ends.filter(|ends| *ends > elapsed) {
        Some(ends) => {
            let part = elapsed.as_secs_f64() / ends.as_secs_f64();
            let done = ((part * BAR_WIDTH as f64) as usize).min(BAR_WIDTH);
            let bar = "#".repeat(done) + &"-".repeat(BAR_WIDTH - done);
            format!("[{bar}] {:>3.0} %  {} left  {what}", part * 100.0, in_secs(ends - elapsed))
        }
        None => {
            let frame = elapsed.as_millis() / DRAW_EVERY.as_millis() % FRAMES.len() as u128;
            format!("{} {}  {what}", FRAMES[frame as usize], in_secs(elapsed))
        }
    };
    // A line that wraps could not be taken away again.
    Some(line.chars().filter(|c| !c.is_control()).take(columns.saturating_sub(1)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secs(secs: u64) -> Duration {
        Duration::from_secs(secs)
    }

    #[test]
    fn nothing_is_said_of_what_is_done_soon() {
        assert_eq!(line("planning", Duration::from_millis(1_999), None, 80), None);
        assert_eq!(line("planning", secs(2), None, 80).as_deref(), Some("| 2s  planning"));
        let later = line("planning", Duration::from_millis(62_125), None, 80);
        assert_eq!(later.as_deref(), Some("/ 1m 2s  planning"));
    }

    #[test]
    fn a_known_end_is_a_bar() {
        let at =
            |elapsed| line("v1 is in caches", secs(elapsed), Some(secs(100)), 80).expect("shown");
        assert_eq!(at(25), "[######------------------]  25 %  1m 15s left  v1 is in caches");
        assert_eq!(at(99), "[#######################-]  99 %  1s left  v1 is in caches");
        assert!(at(100).starts_with("| 1m 40s  v1"), "an end that has passed is none: {}", at(100));
    }

    #[test]
    fn a_line_fits_and_is_one() {
        let cut = line("a\u{1b}[2J\nb", secs(3), None, 12).expect("shown");
        assert_eq!(cut, "| 3s  a[2Jb");
        assert_eq!(line("what", secs(3), None, 0).as_deref(), Some(""));
    }
}
