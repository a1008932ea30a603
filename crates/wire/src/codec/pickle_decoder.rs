//! Decoder for pickles, limited to the instructions that serde-pickle writes.
//!
//! A pickle is a program for a stack machine. Its instructions push values and marks, and combine the values
//! above the last mark into lists, tuples and dictionaries. Each instruction has at least one byte and pushes
//! at most one value, so a pickle yields no more values than it has bytes. Values are decoded to ciborium's
//! [`Value`], from which types can be deserialized.

use ciborium::value::{Integer, Value};

use super::bounded::MAX_DEPTH;

/// Decodes the value of a pickle.
pub(super) fn decode(bytes: &[u8]) -> Result<Value, &'static str> {
    let mut decoder = Decoder { bytes, stack: Vec::new(), marks: Vec::new() };
    while decoder.execute_next()? {}
    match (decoder.stack.pop(), decoder.stack.len(), decoder.bytes) {
        (Some(item), 0, []) => Ok(item.value),
        (_, _, []) => Err("stack does not hold exactly one value at the end"),
        _ => Err("trailing bytes"),
    }
}

/// A value on the stack and its nesting depth.
struct Item {
    value: Value,
    depth: u32,
}

struct Decoder<'a> {
    /// Remaining input.
    bytes: &'a [u8],
    stack: Vec<Item>,
    /// Height of the stack at each mark. Instructions cannot access items below the last mark.
    marks: Vec<usize>,
}

impl Decoder<'_> {
    /// Executes one instruction. Returns `false` after the last one.
    fn execute_next(&mut self) -> Result<bool, &'static str> {
        let [instruction] = self.read_array()?;
        match instruction {
            b'.' => return if self.marks.is_empty() { Ok(false) } else { Err("unused mark") },
            0x80 => self.check_protocol()?,
            b'(' => self.marks.push(self.stack.len()),
            b']' | b')' => self.push(Value::Array(Vec::new())),
            b'}' => self.push(Value::Map(Vec::new())),
            b'e' => self.appends()?,
            b't' => self.tuple()?,
            b'u' => self.set_items()?,
            b's' => self.set_item()?,
            _ => {
                let value = self.scalar(instruction)?;
                self.push(value);
            }
        }
        Ok(true)
    }

    /// Reads a value that contains no other values.
    fn scalar(&mut self, instruction: u8) -> Result<Value, &'static str> {
        Ok(match instruction {
            b'N' => Value::Null,
            0x88 => Value::Bool(true),
            0x89 => Value::Bool(false),
            b'J' => i32::from_le_bytes(self.read_array()?).into(),
            b'K' => u8::from_le_bytes(self.read_array()?).into(),
            b'M' => u16::from_le_bytes(self.read_array()?).into(),
            0x8a => self.long_integer()?,
            b'G' => f64::from_be_bytes(self.read_array()?).into(),
            b'X' => self.text()?,
            b'C' => Value::Bytes(self.short_bytes()?.to_vec()),
            b'B' => Value::Bytes(self.long_bytes()?.to_vec()),
            _ => return Err("unknown instruction"),
        })
    }

    fn check_protocol(&mut self) -> Result<(), &'static str> {
        if self.read_array()? == [3] { Ok(()) } else { Err("unsupported protocol version") }
    }

    /// Reads an integer in two's complement, little-endian, preceded by its length.
    fn long_integer(&mut self) -> Result<Value, &'static str> {
        let bytes = self.short_bytes()?;
        if bytes.len() > 16 {
            return Err("integer is too large");
        }
        let is_negative = bytes.last().is_some_and(|byte| byte & 0x80 != 0);
        let mut extended = [if is_negative { 0xff } else { 0 }; 16];
        extended[..bytes.len()].copy_from_slice(bytes);
        let integer = Integer::try_from(i128::from_le_bytes(extended)).map_err(|_| "integer is too large")?;
        Ok(Value::Integer(integer))
    }

    fn text(&mut self) -> Result<Value, &'static str> {
        let text = str::from_utf8(self.long_bytes()?).map_err(|_| "string is not UTF-8")?;
        Ok(Value::Text(text.to_owned()))
    }

    fn push(&mut self, value: Value) {
        self.stack.push(Item { value, depth: 0 });
    }

    /// Appends the items above the last mark to the list below it.
    fn appends(&mut self) -> Result<(), &'static str> {
        let items = self.pop_to_mark()?;
        let (Value::Array(list), depth) = self.top()? else { return Err("no list to append to") };
        update_depth(depth, &items)?;
        list.extend(items.into_iter().map(|item| item.value));
        Ok(())
    }

    /// Combines the items above the last mark into a tuple, which is decoded as an array.
    fn tuple(&mut self) -> Result<(), &'static str> {
        let items = self.pop_to_mark()?;
        let mut depth = 0;
        update_depth(&mut depth, &items)?;
        let value = Value::Array(items.into_iter().map(|item| item.value).collect());
        self.stack.push(Item { value, depth });
        Ok(())
    }

    /// Adds the keys and values above the last mark to the dictionary below it.
    fn set_items(&mut self) -> Result<(), &'static str> {
        let items = self.pop_to_mark()?;
        self.extend_dictionary(items)
    }

    /// Adds the key and value on top of the stack to the dictionary below them.
    fn set_item(&mut self) -> Result<(), &'static str> {
        let at = self.stack.len().checked_sub(2).filter(|&at| at >= self.floor());
        let pair = self.stack.split_off(at.ok_or("no key and value on the stack")?);
        self.extend_dictionary(pair)
    }

    /// Adds alternating keys and values to the dictionary on top of the stack.
    fn extend_dictionary(&mut self, items: Vec<Item>) -> Result<(), &'static str> {
        let (Value::Map(entries), depth) = self.top()? else { return Err("no dictionary to add to") };
        update_depth(depth, &items)?;
        let mut values = items.into_iter().map(|item| item.value);
        while let Some(key) = values.next() {
            entries.push((key, values.next().ok_or("key without a value")?));
        }
        Ok(())
    }

    /// Height of the part of the stack that instructions cannot access.
    fn floor(&self) -> usize {
        self.marks.last().copied().unwrap_or(0)
    }

    fn pop_to_mark(&mut self) -> Result<Vec<Item>, &'static str> {
        let mark = self.marks.pop().ok_or("no mark")?;
        // Only items above the last mark can be removed, so the stack is never lower than a mark.
        Ok(self.stack.split_off(mark))
    }

    /// Returns value and depth of the item on top of the stack.
    fn top(&mut self) -> Result<(&mut Value, &mut u32), &'static str> {
        let floor = self.floor();
        let item = self.stack[floor..].last_mut().ok_or("stack is empty")?;
        Ok((&mut item.value, &mut item.depth))
    }

    fn read_array<const N: usize>(&mut self) -> Result<[u8; N], &'static str> {
        let (bytes, rest) = self.bytes.split_first_chunk().ok_or("unexpected end")?;
        self.bytes = rest;
        Ok(*bytes)
    }

    fn read_slice(&mut self, length: usize) -> Result<&[u8], &'static str> {
        let (bytes, rest) = self.bytes.split_at_checked(length).ok_or("unexpected end")?;
        self.bytes = rest;
        Ok(bytes)
    }

    /// Reads bytes that are preceded by a length of one byte.
    fn short_bytes(&mut self) -> Result<&[u8], &'static str> {
        let [length] = self.read_array()?;
        self.read_slice(length.into())
    }

    /// Reads bytes that are preceded by a length of four bytes.
    fn long_bytes(&mut self) -> Result<&[u8], &'static str> {
        let length = u32::from_le_bytes(self.read_array()?);
        self.read_slice(length as usize)
    }
}

/// Updates the depth of a value to which `items` are added.
fn update_depth(depth: &mut u32, items: &[Item]) -> Result<(), &'static str> {
    let depth_of_items = items.iter().map(|item| item.depth + 1).max().unwrap_or(0);
    *depth = (*depth).max(depth_of_items);
    if *depth > MAX_DEPTH { Err("value is nested too deeply") } else { Ok(()) }
}
