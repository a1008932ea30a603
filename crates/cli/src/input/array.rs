//! Splits a JSON array into its elements while it is being read: an element is returned as soon as its last
//! byte has been read. Only the ends of elements are detected; their syntax is checked by the parser.

use super::{
    buffer::Buffer,
    element::{BYTE_ORDER_MARK, Element, SplitError, is_blank},
    source::InputStream,
};

/// Position in the array.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum ArrayState {
    /// Before the opening bracket.
    #[default]
    Outside,
    /// After the opening bracket; an element or the end follows.
    First,
    /// After a comma; an element follows.
    AfterComma,
    /// After an element; a comma or the end follows.
    After,
    /// After the closing bracket; only white space may follow.
    Closed,
}

/// The scanner of one array.
#[derive(Default)]
pub(crate) struct ArrayScanner {
    state: ArrayState,
    /// Length of the element that was returned last; it is consumed by the next call.
    returned: usize,
}

/// Nesting within an element, as far as needed to find its end.
#[derive(Default)]
struct Nesting {
    depth: usize,
    in_string: bool,
    escaped: bool,
}

/// End of an element, relative to a byte.
enum ElementEnd {
    /// At this byte, which is the closing bracket or quote.
    With,
    /// Before this byte: numbers and words have no closing byte.
    Before,
}

impl Nesting {
    fn end_at(&mut self, byte: u8) -> Option<ElementEnd> {
        if self.in_string {
            match byte {
                _ if self.escaped => self.escaped = false,
                b'\\' => self.escaped = true,
                b'"' => {
                    self.in_string = false;
                    return (self.depth == 0).then_some(ElementEnd::With);
                }
                _ => {}
            }
            return None;
        }
        match byte {
            b'"' => self.in_string = true,
            b'[' | b'{' => self.depth += 1,
            b']' | b'}' if self.depth > 0 => {
                self.depth -= 1;
                return (self.depth == 0).then_some(ElementEnd::With);
            }
            b',' | b']' | b'}' if self.depth == 0 => return Some(ElementEnd::Before),
            _ if self.depth == 0 && is_blank(byte) => return Some(ElementEnd::Before),
            _ => {}
        }
        None
    }
}

impl ArrayScanner {
    /// Returns the next element. Calls `before_read` before a read that may block.
    pub(crate) fn next<'a, R: InputStream>(
        &mut self,
        buffer: &'a mut Buffer<R>,
        max_text: usize,
        before_read: &mut dyn FnMut(),
    ) -> Result<Option<Element<'a>>, SplitError> {
        buffer.advance(std::mem::take(&mut self.returned));
        loop {
            let Some(byte) = next_visible(buffer, before_read)? else {
                return match self.state {
                    ArrayState::Outside | ArrayState::Closed => Ok(None),
                    _ => Err(syntax_error(buffer, "the array has no end")),
                };
            };
            self.state = match (self.state, byte) {
                (ArrayState::Outside, b'[') => ArrayState::First,
                (ArrayState::Outside, _) => return Err(SplitError::NotAnArray),
                (ArrayState::First | ArrayState::After, b']') => ArrayState::Closed,
                (ArrayState::After, b',') => ArrayState::AfterComma,
                (ArrayState::After, _) => return Err(syntax_error(buffer, "expected `,` or `]`")),
                (ArrayState::Closed, _) => {
                    let is_mark = buffer.starts_with(BYTE_ORDER_MARK, before_read)?;
                    let found = if is_mark { "a byte order mark" } else { "text" };
                    return Err(syntax_error(buffer, format!("{found} after the end of the array")));
                }
                (ArrayState::First | ArrayState::AfterComma, b',' | b']' | b'}') => {
                    return Err(syntax_error(buffer, "expected an element"));
                }
                (ArrayState::First | ArrayState::AfterComma, _) => {
                    self.state = ArrayState::After;
                    return self.element(buffer, max_text, before_read).map(Some);
                }
            };
            buffer.advance(1);
        }
    }

    fn element<'a, R: InputStream>(
        &mut self,
        buffer: &'a mut Buffer<R>,
        max_text: usize,
        before_read: &mut dyn FnMut(),
    ) -> Result<Element<'a>, SplitError> {
        let location = buffer.location();
        let (mut nesting, mut length, mut too_long) = (Nesting::default(), 0, false);
        loop {
            let unscanned = &buffer.unconsumed()[length..];
            let found = unscanned.iter().enumerate().find_map(|(at, &byte)| match nesting.end_at(byte)? {
                ElementEnd::With => Some(at + 1),
                ElementEnd::Before => Some(at),
            });
            length += found.unwrap_or(unscanned.len());
            if found.is_some() {
                break;
            }
            if length > max_text {
                too_long = true;
                buffer.advance(length);
                length = 0;
            }
            if !buffer.fill(before_read)? {
                buffer.advance(length);
                return Err(syntax_error(buffer, "the array has no end"));
            }
        }
        self.returned = length;
        let text = &buffer.unconsumed()[..length];
        match too_long || length > max_text {
            true => Ok(Element::TooLong { location }),
            false => Ok(Element::Text { text, location }),
        }
    }
}

/// Returns the next byte that is not white space, without consuming it; `None` at the end.
fn next_visible<R: InputStream>(
    buffer: &mut Buffer<R>,
    before_read: &mut dyn FnMut(),
) -> Result<Option<u8>, SplitError> {
    loop {
        let unused = buffer.unconsumed();
        let blank = unused.iter().position(|&byte| !is_blank(byte)).unwrap_or(unused.len());
        buffer.advance(blank);
        if let Some(&byte) = buffer.unconsumed().first() {
            return Ok(Some(byte));
        }
        if !buffer.fill(before_read)? {
            return Ok(None);
        }
    }
}

fn syntax_error<R: InputStream>(buffer: &Buffer<R>, message: impl Into<String>) -> SplitError {
    SplitError::Syntax { location: buffer.location(), message: message.into() }
}
