//! What a Secret holds: erased when it is dropped, and never shown.
//!
//! Whoever reads a value out of it copies it, and wraps the copy itself.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::{Deref, DerefMut};

use zeroize::Zeroize as _;

/// The values of a Secret by their keys.
///
/// `Debug` names the keys and shows no value.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct SecretData(BTreeMap<String, Vec<u8>>);

impl FromIterator<(String, Vec<u8>)> for SecretData {
    fn from_iter<I: IntoIterator<Item = (String, Vec<u8>)>>(pairs: I) -> Self {
        Self(pairs.into_iter().collect())
    }
}

impl Deref for SecretData {
    type Target = BTreeMap<String, Vec<u8>>;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl DerefMut for SecretData {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.0
    }
}

impl Drop for SecretData {
    fn drop(&mut self) {
        for value in self.0.values_mut() {
            value.zeroize();
        }
    }
}

impl fmt::Debug for SecretData {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_set().entries(self.0.keys()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_shown_and_values_are_not() {
        let data: SecretData = [("password".to_owned(), b"hunter2".to_vec())]
            .into_iter()
            .collect();
        assert_eq!(data["password"], b"hunter2");
        assert_eq!(format!("{data:?}"), r#"{"password"}"#);
    }
}
