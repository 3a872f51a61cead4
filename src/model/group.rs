//! The name of a group: services that are released together.

use std::{fmt, str::FromStr, sync::Arc};

use super::{NameError, ServiceName};

/// A group's name, for people and for the verbs: one label, lower case, so that it can stand
/// wherever a service's can.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GroupName(Arc<str>);

impl GroupName {
    /// As text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for GroupName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        if text.contains('.') {
            return Err(NameError::Character('.'));
        }
        let name: ServiceName = text.parse()?;
        Ok(Self(name.as_str().into()))
    }
}

impl fmt::Display for GroupName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_label_in_lower_case() {
        let name: GroupName = "Check-Out".parse().expect("a name");
        assert_eq!(name.as_str(), "check-out");
        for wrong in ["", "a.b", "a b", &"a".repeat(64)] {
            assert!(wrong.parse::<GroupName>().is_err(), "{wrong}");
        }
    }
}
