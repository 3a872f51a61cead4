//! Release windows: the days and times at which steps may be taken.
//!
//! The rules of a time zone are looked up elsewhere, and are data here.

use std::{fmt, str::FromStr};

use jiff::{
    civil::{Date, Time},
    tz::TimeZone,
};

use super::Timestamp;

const DAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
const DAY_MINUTES: u16 = 24 * 60;
/// A window comes every week, unless clocks are put forward over all of it.
const LOOK_AHEAD_DAYS: usize = 15;

/// Why the text of a window was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WindowError {
    /// Not days and times.
    #[error("a window is days and times")]
    Form,
    /// No such day.
    #[error("a day is one of Mon, Tue, Wed, Thu, Fri, Sat, Sun, and `daily` is all of them")]
    Day,
    /// No such time.
    #[error("a time is hours and minutes, from 00:00 to 24:00")]
    Time,
    /// It begins when it ends.
    #[error("a window that ends when it begins is none; a whole day is 00:00-24:00")]
    Empty,
}

/// Days of the week, and the times of day from and to which they are open.
///
/// What ends before it begins ends on the next day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    days: [bool; 7],
    from: u16,
    to: u16,
}

impl FromStr for Window {
    type Err = WindowError;

    /// `Mon-Fri 09:00-16:00`, `Sat,Sun 10:00-12:00`, `daily 22:00-04:00`.
    fn from_str(text: &str) -> Result<Self, WindowError> {
        let mut words = text.split_whitespace();
        let (Some(days), Some(times), None) = (words.next(), words.next(), words.next()) else {
            return Err(WindowError::Form);
        };
        let (from, to) = times.split_once('-').ok_or(WindowError::Form)?;
        let (from, to) = (minute(from)?, minute(to)?);
        if from == to || from == DAY_MINUTES {
            return Err(WindowError::Empty);
        }
        Ok(Self { days: self::days(days)?, from, to })
    }
}

fn days(text: &str) -> Result<[bool; 7], WindowError> {
    if text == "daily" {
        return Ok([true; 7]);
    }
    let day = |name: &str| DAYS.iter().position(|known| *known == name).ok_or(WindowError::Day);
    let mut open = [false; 7];
    for part in text.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (mut at, last) = (day(first)?, day(last)?);
        open[at] = true;
        while at != last {
            at = (at + 1) % 7;
            open[at] = true;
        }
    }
    Ok(open)
}

/// Minutes since midnight.
fn minute(text: &str) -> Result<u16, WindowError> {
    let two_digits = |digits: &str| {
        let is_number = digits.len() == 2 && digits.bytes().all(|digit| digit.is_ascii_digit());
        digits.parse::<u16>().ok().filter(|_| is_number).ok_or(WindowError::Time)
    };
    let (hours, minutes) = text.split_once(':').ok_or(WindowError::Time)?;
    let (hours, minutes) = (two_digits(hours)?, two_digits(minutes)?);
    let minute = hours * 60 + minutes;
    match minutes < 60 && minute <= DAY_MINUTES {
        true => Ok(minute),
        false => Err(WindowError::Time),
    }
}

impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let open: Vec<&str> =
            DAYS.into_iter().zip(self.days).filter_map(|(day, open)| open.then_some(day)).collect();
        let days = match open.len() {
            7 => "daily".to_owned(),
            _ => open.join(","),
        };
        let ([from_hour, from], [to_hour, to]) =
            ([self.from / 60, self.from % 60], [self.to / 60, self.to % 60]);
        write!(f, "{days} {from_hour:02}:{from:02}-{to_hour:02}:{to:02}")
    }
}

/// All windows of a service, in one time zone. Without any, it is always open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Windows {
    /// The windows.
    pub list: Vec<Window>,
    /// Where the days and times are those of the clock on the wall.
    pub zone: TimeZone,
}

impl Default for Windows {
    fn default() -> Self {
        Self { list: Vec::new(), zone: TimeZone::UTC }
    }
}

impl fmt::Display for Windows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.list.is_empty() {
            return f.write_str("always");
        }
        let windows: Vec<String> = self.list.iter().map(ToString::to_string).collect();
        let zone = self.zone.iana_name().unwrap_or("another zone");
        write!(f, "{} ({zone})", windows.join("; "))
    }
}

impl Windows {
    /// The first instant from `now` on at which a window is open: `now` itself, if one is.
    pub fn next_opening(&self, now: Timestamp) -> Timestamp {
        let micros = i64::try_from(now.unix_micros()).ok();
        let instant = micros.and_then(|micros| jiff::Timestamp::from_microsecond(micros).ok());
        // Beyond the year 9999 there is no calendar.
        let Some(instant) = instant.filter(|_| !self.list.is_empty()) else { return now };
        let mut date = instant.to_zoned(self.zone.clone()).date();
        // One that began yesterday may still be open.
        date = date.yesterday().unwrap_or(date);
        let mut earliest = None;
        for _ in 0..=LOOK_AHEAD_DAYS {
            for (opens, closes) in self.list.iter().filter_map(|window| self.on(window, date)) {
                if opens <= now && now < closes {
                    return now;
                }
                if opens > now && earliest.is_none_or(|earliest| opens < earliest) {
                    earliest = Some(opens);
                }
            }
            date = date.tomorrow().unwrap_or(date);
        }
        earliest.unwrap_or(now)
    }

    /// From when to when a window is open that begins on `date`, if it does and clocks are not put
    /// forward over all of it.
    fn on(&self, window: &Window, date: Date) -> Option<(Timestamp, Timestamp)> {
        if !window.days[date.weekday().to_monday_zero_offset() as usize] {
            return None;
        }
        let ends_on = if window.to <= window.from { date.tomorrow().ok()? } else { date };
        let (opens, closes) = (self.at(date, window.from)?, self.at(ends_on, window.to)?);
        (opens < closes).then_some((opens, closes))
    }

    /// A time of day that clocks skip is as much later as they skip.
    fn at(&self, date: Date, minute: u16) -> Option<Timestamp> {
        let (date, minute) = match minute {
            DAY_MINUTES => (date.tomorrow().ok()?, 0),
            minute => (date, minute),
        };
        let [hour, minute] = [minute / 60, minute % 60].map(|part| i8::try_from(part).ok());
        let time = Time::new(hour?, minute?, 0, 0).ok()?;
        let instant = date.to_datetime(time).to_zoned(self.zone.clone()).ok()?.timestamp();
        u64::try_from(instant.as_microsecond()).ok().map(Timestamp::from_unix_micros)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn windows(list: &[&str], zone: &str) -> Windows {
        let list = list.iter().map(|text| text.parse().expect("a window")).collect();
        Windows { list, zone: TimeZone::get(zone).expect("a zone") }
    }

    fn at(text: &str) -> Timestamp {
        let instant: jiff::Timestamp = text.parse().expect("an instant");
        Timestamp::from_unix_micros(u64::try_from(instant.as_microsecond()).expect("after 1970"))
    }

    #[track_caller]
    fn assert_opens(windows: &Windows, now: &str, opens: &str) {
        assert_eq!(windows.next_opening(at(now)).to_string(), at(opens).to_string());
    }

    #[test]
    fn a_window_is_open_from_its_first_instant_until_before_its_last() {
        let office = windows(&["Mon-Fri 09:00-16:00"], "UTC");
        // 2026-11-26 is a Thursday.
        assert_opens(&office, "2026-11-26T08:59:59Z", "2026-11-26T09:00:00Z");
        assert_opens(&office, "2026-11-26T09:00:00Z", "2026-11-26T09:00:00Z");
        assert_opens(&office, "2026-11-26T15:59:59Z", "2026-11-26T15:59:59Z");
        assert_opens(&office, "2026-11-26T16:00:00Z", "2026-11-27T09:00:00Z");
        assert_opens(&office, "2026-11-27T16:00:00Z", "2026-11-30T09:00:00Z");
        assert_opens(&Windows::default(), "2026-11-28T03:00:00Z", "2026-11-28T03:00:00Z");
    }

    #[test]
    fn one_that_ends_before_it_begins_ends_on_the_next_day() {
        let night = windows(&["Sun 22:00-04:00"], "UTC");
        assert_opens(&night, "2026-11-30T03:59:00Z", "2026-11-30T03:59:00Z");
        assert_opens(&night, "2026-11-30T04:00:00Z", "2026-12-06T22:00:00Z");
        let late = windows(&["Sun 22:00-00:00"], "UTC");
        assert_opens(&late, "2026-11-29T23:59:59Z", "2026-11-29T23:59:59Z");
        assert_opens(&late, "2026-11-30T00:00:00Z", "2026-12-06T22:00:00Z");
    }

    #[test]
    fn the_earliest_of_several_is_the_next() {
        let two = windows(&["Sat 10:00-12:00", "Tue 00:00-24:00"], "UTC");
        assert_opens(&two, "2026-11-26T00:00:00Z", "2026-11-28T10:00:00Z");
        assert_opens(&two, "2026-11-28T12:00:00Z", "2026-12-01T00:00:00Z");
        assert_opens(&two, "2026-12-01T23:59:59Z", "2026-12-01T23:59:59Z");
    }

    #[test]
    fn the_clock_on_the_wall_counts_in_summer_and_in_winter() {
        let berlin = windows(&["daily 09:00-10:00"], "Europe/Berlin");
        assert_opens(&berlin, "2026-07-01T00:00:00Z", "2026-07-01T07:00:00Z");
        assert_opens(&berlin, "2026-12-01T00:00:00Z", "2026-12-01T08:00:00Z");
    }

    /// On 2026-03-29 in Berlin 02:00 to 03:00 does not exist; on 2026-10-25 it comes twice.
    #[test]
    fn the_days_when_clocks_change() {
        let skipped = windows(&["Sun 02:00-03:00"], "Europe/Berlin");
        assert_opens(&skipped, "2026-03-28T00:00:00Z", "2026-04-05T00:00:00Z");
        let half = windows(&["Sun 02:30-04:00"], "Europe/Berlin");
        assert_opens(&half, "2026-03-28T00:00:00Z", "2026-03-29T01:30:00Z");
        assert_opens(&half, "2026-10-24T12:00:00Z", "2026-10-25T00:30:00Z");
        assert_opens(&half, "2026-10-25T02:59:59Z", "2026-10-25T02:59:59Z");
    }

    #[test]
    fn text_and_back() {
        for (text, shown) in [
            ("Mon-Fri 09:00-16:00", "Mon,Tue,Wed,Thu,Fri 09:00-16:00"),
            ("Fri-Mon 22:00-04:00", "Mon,Fri,Sat,Sun 22:00-04:00"),
            ("Sat,Sun 00:00-24:00", "Sat,Sun 00:00-24:00"),
            ("daily 08:15-08:20", "daily 08:15-08:20"),
            ("Wed 22:00-00:00", "Wed 22:00-00:00"),
        ] {
            let window: Window = text.parse().expect("a window");
            assert_eq!(window.to_string(), shown);
            assert_eq!(shown.parse(), Ok(window));
        }
        for (text, error) in [
            ("09:00-16:00", WindowError::Form),
            ("Mon 09:00", WindowError::Form),
            ("Mon 09:00-16:00 UTC", WindowError::Form),
            ("Mo 09:00-16:00", WindowError::Day),
            ("mon 09:00-16:00", WindowError::Day),
            ("Mon 9:00-16:00", WindowError::Time),
            ("Mon 09:60-16:00", WindowError::Time),
            ("Mon 09:00-24:01", WindowError::Time),
            ("Mon +9:00-16:00", WindowError::Time),
            ("Mon 09:00-09:00", WindowError::Empty),
            ("Mon 24:00-09:00", WindowError::Empty),
        ] {
            assert_eq!(text.parse::<Window>(), Err(error), "{text}");
        }
    }
}
