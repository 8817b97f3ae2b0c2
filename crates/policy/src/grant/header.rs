//! How a value becomes a header: `Bearer {value}`, `{value}`, `Basic USER:{value}`.

use std::fmt;

/// The name of a header, and the text around a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeaderFormat {
    /// In lower case.
    header: String,
    before: String,
    after: String,
}

/// Why a header cannot be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidFormat {
    #[error("`{0}` is not the name of a header for credentials")]
    Header(String),
    #[error("`{0}` is not the format of a header: it needs `{{value}}` once")]
    Format(String),
}

/// Where the value is in a format.
const VALUE: &str = "{value}";

/// The scheme whose parameters are encoded.
const BASIC: &str = "Basic ";

/// Headers that frame a request or name its host.
const RESERVED: [&str; 8] =
    ["host", "connection", "content-length", "transfer-encoding", "te", "upgrade", "expect", "proxy-authorization"];

impl HeaderFormat {
    /// # Errors
    /// If the header cannot be a credential, or the format has no single value.
    pub fn new(header: &str, format: &str) -> Result<Self, InvalidFormat> {
        let header = header.to_ascii_lowercase();
        let is_name = !header.is_empty() && header.bytes().all(|it| it.is_ascii_alphanumeric() || it == b'-');
        if !is_name || RESERVED.contains(&header.as_str()) {
            return Err(InvalidFormat::Header(header));
        }
        let is_text = format.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ');
        match format.split_once(VALUE) {
            Some((before, after)) if is_text && !after.contains(VALUE) => {
                Ok(Self { header, before: before.to_owned(), after: after.to_owned() })
            }
            _ => Err(InvalidFormat::Format(format.to_owned())),
        }
    }

    pub fn header(&self) -> &str {
        &self.header
    }

    /// The text before and after the value. If it is encoded, the scheme: the text is what is encoded after it.
    pub fn parts(&self) -> (Option<&'static str>, &str, &str) {
        match self.before.strip_prefix(BASIC) {
            Some(before) => (Some(BASIC), before, &self.after),
            None => (None, &self.before, &self.after),
        }
    }
}

impl fmt::Display for HeaderFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{VALUE}{}", self.before, self.after)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_format_has_one_value() {
        let format = HeaderFormat::new("Authorization", "Basic x:{value}").unwrap();
        assert_eq!((format.header(), format.parts()), ("authorization", (Some("Basic "), "x:", "")));
        assert_eq!(format.to_string(), "Basic x:{value}");
        for text in ["", "Bearer", "{value}{value}", "Bearer {value}\r\nx: y", "ä{value}"] {
            assert!(HeaderFormat::new("authorization", text).is_err(), "{text}");
        }
        for header in ["", "Host", "content-length", "a b", "x\n"] {
            assert!(HeaderFormat::new(header, "{value}").is_err(), "{header}");
        }
    }
}
