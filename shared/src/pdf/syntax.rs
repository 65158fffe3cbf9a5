//! Parses objects from bytes (ISO 32000-2, 7.2 and 7.3).

use super::{
    limits::{MAX_DEPTH, MAX_VALUES},
    object::{Dictionary, Object, ObjectId},
    strings,
};

/// Why bytes can't be parsed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SyntaxError {
    /// They end too early. More bytes may help.
    Incomplete,
    /// They are no object, or one beyond the limits.
    Invalid,
}

/// A parser at a position within a part of a file.
pub(super) struct Parser<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) position: usize,
    /// The offset of `bytes`.
    pub(super) offset: u64,
    /// Whether nothing follows `bytes`, so that a number at their end is complete.
    ends: bool,
    values: usize,
}

impl<'a> Parser<'a> {
    pub(super) const fn new(bytes: &'a [u8], offset: u64, ends: bool) -> Self {
        Self { bytes, position: 0, offset, ends, values: 0 }
    }

    /// Parses `<number> <generation> obj`.
    pub(super) fn object_header(&mut self) -> Result<ObjectId, SyntaxError> {
        let (number, generation) = (self.unsigned()?, self.unsigned()?);
        self.keyword(b"obj")?;
        let number = u32::try_from(number).map_err(|_| SyntaxError::Invalid)?;
        Ok(ObjectId { number, generation: u16::try_from(generation).unwrap_or(u16::MAX) })
    }

    /// Parses one object. A stream is parsed as its dictionary.
    pub(super) fn object(&mut self) -> Result<Object, SyntaxError> {
        self.nested(0)
    }

    fn nested(&mut self, depth: usize) -> Result<Object, SyntaxError> {
        self.values += 1;
        if depth > MAX_DEPTH || self.values > MAX_VALUES {
            return Err(SyntaxError::Invalid);
        }
        self.skip_space();
        match self.next()? {
            b'/' => Ok(Object::Name(self.name()?)),
            b'(' => strings::literal(self).map(Object::String),
            b'<' if self.ahead(1)? == b'<' => self.dictionary(depth).map(Object::Dictionary),
            b'<' => strings::hexadecimal(self).map(Object::String),
            b'[' => self.array(depth),
            b'+' | b'-' | b'.' | b'0'..=b'9' => self.number_or_reference(),
            _ => match self.token()? {
                b"true" => Ok(Object::Boolean(true)),
                b"false" => Ok(Object::Boolean(false)),
                b"null" => Ok(Object::Null),
                _ => Err(SyntaxError::Invalid),
            },
        }
    }

    fn dictionary(&mut self, depth: usize) -> Result<Dictionary, SyntaxError> {
        self.position += 2;
        let mut entries = Vec::new();
        loop {
            self.skip_space();
            match self.next()? {
                b'>' if self.ahead(1)? == b'>' => {
                    self.position += 2;
                    return Ok(Dictionary(entries));
                }
                b'/' => {
                    let name = self.name()?;
                    entries.push((name, self.nested(depth + 1)?));
                }
                _ => return Err(SyntaxError::Invalid),
            }
        }
    }

    fn array(&mut self, depth: usize) -> Result<Object, SyntaxError> {
        self.position += 1;
        let mut elements = Vec::new();
        loop {
            self.skip_space();
            if self.next()? == b']' {
                self.position += 1;
                return Ok(Object::Array(elements));
            }
            elements.push(self.nested(depth + 1)?);
        }
    }

    fn name(&mut self) -> Result<Vec<u8>, SyntaxError> {
        self.position += 1;
        Ok(strings::unescaped_name(self.token()?))
    }

    /// A number, or a reference: `<number> <generation> R`.
    fn number_or_reference(&mut self) -> Result<Object, SyntaxError> {
        let token = self.token()?;
        let text = std::str::from_utf8(token).map_err(|_| SyntaxError::Invalid)?;
        let Ok(integer) = text.parse::<i64>() else {
            return text.parse().map(Object::Real).map_err(|_| SyntaxError::Invalid);
        };
        let after = self.position;
        match (u32::try_from(integer), self.reference_ends()) {
            (_, Err(SyntaxError::Incomplete)) => return Err(SyntaxError::Incomplete),
            (Ok(number), Ok(generation)) => return Ok(Object::Reference(ObjectId { number, generation })),
            _ => {}
        }
        self.position = after;
        Ok(Object::Integer(integer))
    }

    /// The rest of a reference: its generation and `R`.
    fn reference_ends(&mut self) -> Result<u16, SyntaxError> {
        self.skip_space();
        match self.bytes.get(self.position) {
            Some(b'0'..=b'9') => {}
            None if !self.ends => return Err(SyntaxError::Incomplete),
            _ => return Err(SyntaxError::Invalid),
        }
        let generation = self.unsigned()?;
        self.keyword(b"R")?;
        u16::try_from(generation).map_err(|_| SyntaxError::Invalid)
    }

    /// Parses a whole number without a sign.
    pub(super) fn unsigned(&mut self) -> Result<u64, SyntaxError> {
        self.skip_space();
        let digits = self.bytes[self.position..].iter().take_while(|byte| byte.is_ascii_digit()).count();
        let end = self.position + digits;
        if end == self.bytes.len() && !self.ends {
            return Err(SyntaxError::Incomplete);
        }
        let digits = std::str::from_utf8(&self.bytes[self.position..end]).map_err(|_| SyntaxError::Invalid)?;
        let number = digits.parse().map_err(|_| SyntaxError::Invalid)?;
        self.position = end;
        Ok(number)
    }

    /// Parses exactly this word.
    pub(super) fn keyword(&mut self, word: &[u8]) -> Result<(), SyntaxError> {
        self.skip_space();
        let rest = &self.bytes[self.position..];
        if rest.starts_with(word) {
            self.position += word.len();
            Ok(())
        } else if word.starts_with(rest) && !self.ends {
            Err(SyntaxError::Incomplete)
        } else {
            Err(SyntaxError::Invalid)
        }
    }

    /// Skips one end of a line. A lone carriage return isn't allowed after `stream`, but is seen.
    pub(super) fn end_of_line(&mut self) -> Result<(), SyntaxError> {
        let rest = &self.bytes[self.position..];
        if rest.len() < 2 && !self.ends {
            return Err(SyntaxError::Incomplete);
        }
        self.position += match rest {
            [b'\r', b'\n', ..] => 2,
            [b'\r' | b'\n', ..] => 1,
            _ => 0,
        };
        Ok(())
    }

    /// Skips white space and comments.
    pub(super) fn skip_space(&mut self) {
        while let Some(byte) = self.bytes.get(self.position) {
            if *byte == b'%' {
                let rest = &self.bytes[self.position..];
                self.position += rest.iter().position(|byte| matches!(byte, b'\r' | b'\n')).unwrap_or(rest.len());
            } else if is_space(*byte) {
                self.position += 1;
            } else {
                return;
            }
        }
    }

    /// The bytes up to the next white space or delimiter.
    fn token(&mut self) -> Result<&'a [u8], SyntaxError> {
        let rest = &self.bytes[self.position..];
        let length = rest.iter().position(|byte| is_space(*byte) || is_delimiter(*byte));
        let length = match length {
            Some(length) => length,
            None if self.ends => rest.len(),
            None => return Err(SyntaxError::Incomplete),
        };
        self.position += length;
        Ok(&rest[..length])
    }

    fn next(&self) -> Result<u8, SyntaxError> {
        self.ahead(0)
    }

    fn ahead(&self, distance: usize) -> Result<u8, SyntaxError> {
        self.bytes.get(self.position + distance).copied().ok_or(SyntaxError::Incomplete)
    }
}

/// White space (ISO 32000-2, table 1).
pub(super) const fn is_space(byte: u8) -> bool {
    matches!(byte, b'\0' | b'\t' | b'\n' | b'\x0c' | b'\r' | b' ')
}

const fn is_delimiter(byte: u8) -> bool {
    matches!(byte, b'(' | b')' | b'<' | b'>' | b'[' | b']' | b'{' | b'}' | b'/' | b'%')
}
