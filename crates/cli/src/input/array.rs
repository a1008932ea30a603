//! A JSON array, cut into its elements while it is being read: an element is there as soon as its last byte
//! is. Whether it is well-formed inside is its parser's business.

use super::{
    buffer::Buffer,
    element::{BYTE_ORDER_MARK, Element, SplitError, is_blank},
    source::Stream,
};

/// Where in the array we are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum ArrayState {
    /// Before the opening bracket.
    #[default]
    Outside,
    /// After the opening bracket: an element or the end.
    First,
    /// After a comma: an element.
    AfterComma,
    /// After an element: a comma or the end.
    After,
    /// After the closing bracket: nothing but white space.
    Closed,
}

/// The scanner of one array.
#[derive(Default)]
pub(crate) struct ArrayScanner {
    state: ArrayState,
    /// The element that was handed out last, still to be used up.
    handed_out: usize,
}

/// The inside of an element, as far as it matters to its end.
#[derive(Default)]
struct Nesting {
    depth: usize,
    in_string: bool,
    escaped: bool,
}

/// Where an element ends.
enum ElementEnd {
    /// With this byte: the bracket or quote that closes it.
    With,
    /// Before this byte: a number or a word has nothing that closes it.
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
    /// The next element; `before_read` is called before the stream can make us wait.
    pub(crate) fn next<'a, R: Stream>(
        &mut self,
        buffer: &'a mut Buffer<R>,
        longest: usize,
        before_read: &mut dyn FnMut(),
    ) -> Result<Option<Element<'a>>, SplitError> {
        buffer.advance(std::mem::take(&mut self.handed_out));
        loop {
            let Some(byte) = next_visible(buffer, before_read)? else {
                return match self.state {
                    ArrayState::Outside | ArrayState::Closed => Ok(None),
                    _ => Err(wrong(buffer, "the array has no end")),
                };
            };
            self.state = match (self.state, byte) {
                (ArrayState::Outside, b'[') => ArrayState::First,
                (ArrayState::Outside, _) => return Err(SplitError::NotAnArray),
                (ArrayState::First | ArrayState::After, b']') => ArrayState::Closed,
                (ArrayState::After, b',') => ArrayState::AfterComma,
                (ArrayState::After, _) => return Err(wrong(buffer, "expected `,` or `]`")),
                (ArrayState::Closed, _) => {
                    let is_mark = buffer.starts_with(BYTE_ORDER_MARK, before_read)?;
                    let found = if is_mark { "a byte order mark" } else { "text" };
                    return Err(wrong(buffer, format!("{found} after the end of the array")));
                }
                (ArrayState::First | ArrayState::AfterComma, b',' | b']' | b'}') => {
                    return Err(wrong(buffer, "expected an element"));
                }
                (ArrayState::First | ArrayState::AfterComma, _) => {
                    self.state = ArrayState::After;
                    return self.element(buffer, longest, before_read).map(Some);
                }
            };
            buffer.advance(1);
        }
    }

    fn element<'a, R: Stream>(
        &mut self,
        buffer: &'a mut Buffer<R>,
        longest: usize,
        before_read: &mut dyn FnMut(),
    ) -> Result<Element<'a>, SplitError> {
        let location = buffer.location();
        let (mut nesting, mut length, mut too_long) = (Nesting::default(), 0, false);
        loop {
            let unscanned = &buffer.unused()[length..];
            let found = unscanned.iter().enumerate().find_map(|(at, &byte)| match nesting.end_at(byte)? {
                ElementEnd::With => Some(at + 1),
                ElementEnd::Before => Some(at),
            });
            length += found.unwrap_or(unscanned.len());
            if found.is_some() {
                break;
            }
            if length > longest {
                too_long = true;
                buffer.advance(length);
                length = 0;
            }
            if !buffer.fill(before_read)? {
                buffer.advance(length);
                return Err(wrong(buffer, "the array has no end"));
            }
        }
        self.handed_out = length;
        let text = &buffer.unused()[..length];
        match too_long || length > longest {
            true => Ok(Element::TooLong { location }),
            false => Ok(Element::Text { text, location }),
        }
    }
}

/// The next byte that is not white space, which is left unused; `None` at the end.
fn next_visible<R: Stream>(
    buffer: &mut Buffer<R>,
    before_read: &mut dyn FnMut(),
) -> Result<Option<u8>, SplitError> {
    loop {
        let unused = buffer.unused();
        let blank = unused.iter().position(|&byte| !is_blank(byte)).unwrap_or(unused.len());
        buffer.advance(blank);
        if let Some(&byte) = buffer.unused().first() {
            return Ok(Some(byte));
        }
        if !buffer.fill(before_read)? {
            return Ok(None);
        }
    }
}

fn wrong<R: Stream>(buffer: &Buffer<R>, message: impl Into<String>) -> SplitError {
    SplitError::Syntax { location: buffer.location(), message: message.into() }
}
