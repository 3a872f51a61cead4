//! What others have written, where it is shown.

/// How much of it is shown, in characters.
const SHOWN_MAX: usize = 200;

/// The beginning of what others have written, fit for one line.
pub fn first_line(octets: &[u8]) -> String {
    let text = String::from_utf8_lossy(octets);
    let first = text.trim().lines().next().unwrap_or_default();
    first.chars().filter(|c| !c.is_control()).take(SHOWN_MAX).collect::<String>().trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_one_short_line_whatever_was_written() {
        assert_eq!(first_line(b"\n  a\x1b[31m b \nc"), "a[31m b");
        assert_eq!(first_line(&[0xff; 300]).chars().count(), SHOWN_MAX);
        assert_eq!(first_line(b""), "");
    }
}
