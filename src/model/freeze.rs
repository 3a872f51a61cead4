//! The global stop: no release takes a step until a person ends it.

use std::{fmt, str::FromStr};

use super::Timestamp;

/// That everything stands still, who wanted it, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Freeze {
    /// Who said so.
    pub by: String,
    /// Why, if they said.
    pub reason: Option<FreezeReason>,
    /// Since when.
    pub since: Timestamp,
}

impl fmt::Display for Freeze {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "frozen since {} by {}", self.since, self.by)?;
        self.reason.as_ref().map_or(Ok(()), |reason| write!(f, ": {}", reason.0))
    }
}

/// What a person says about a freeze: one line of 1 to 200 characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FreezeReason(String);

impl FreezeReason {
    const LEN_MAX: usize = 200;

    /// As text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Why a reason was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a reason is one line of 1 to {} characters", FreezeReason::LEN_MAX)]
pub struct FreezeReasonError;

impl FromStr for FreezeReason {
    type Err = FreezeReasonError;

    fn from_str(text: &str) -> Result<Self, FreezeReasonError> {
        let text = text.trim();
        let length = text.chars().count();
        let is_one_line = !text.chars().any(char::is_control);
        match is_one_line && (1..=Self::LEN_MAX).contains(&length) {
            true => Ok(Self(text.to_owned())),
            false => Err(FreezeReasonError),
        }
    }
}
