//! The machine that a pickle is a program for, as far as our own pickles go.
//!
//! A pickle pushes values on a stack, remembers marks, and gathers what lies above the last mark into lists, tuples and
//! dictionaries. Each instruction takes a byte or more and adds at most one value, so a pickle yields no more values
//! than it has bytes. The values are ciborium's, which types can be read from.

use ciborium::value::{Integer, Value};

use super::bounded::DEEPEST;

/// The value that a pickle describes.
pub(super) fn read(bytes: &[u8]) -> Result<Value, &'static str> {
    let mut machine = Machine { bytes, stack: Vec::new(), marks: Vec::new() };
    while machine.step()? {}
    match (machine.stack.pop(), machine.stack.len(), machine.bytes) {
        (Some(item), 0, []) => Ok(item.value),
        (_, _, []) => Err("it ends with more or less than one value"),
        _ => Err("there are bytes behind the value"),
    }
}

/// A value, and how deep it nests.
struct Item {
    value: Value,
    depth: u32,
}

struct Machine<'a> {
    /// What has not been read yet.
    bytes: &'a [u8],
    stack: Vec<Item>,
    /// How high the stack was at each mark: what lies below the last one is out of reach.
    marks: Vec<usize>,
}

impl Machine<'_> {
    /// Follows one instruction; `false` when it was the last.
    fn step(&mut self) -> Result<bool, &'static str> {
        let [instruction] = self.take()?;
        match instruction {
            b'.' => return if self.marks.is_empty() { Ok(false) } else { Err("a mark is left") },
            0x80 => self.protocol()?,
            b'(' => self.marks.push(self.stack.len()),
            b']' | b')' => self.push(Value::Array(Vec::new())),
            b'}' => self.push(Value::Map(Vec::new())),
            b'e' => self.append()?,
            b't' => self.tuple()?,
            b'u' => self.insert_all()?,
            b's' => self.insert()?,
            _ => {
                let value = self.plain(instruction)?;
                self.push(value);
            }
        }
        Ok(true)
    }

    /// A value that holds no others.
    fn plain(&mut self, instruction: u8) -> Result<Value, &'static str> {
        Ok(match instruction {
            b'N' => Value::Null,
            0x88 => Value::Bool(true),
            0x89 => Value::Bool(false),
            b'J' => i32::from_le_bytes(self.take()?).into(),
            b'K' => u8::from_le_bytes(self.take()?).into(),
            b'M' => u16::from_le_bytes(self.take()?).into(),
            0x8a => self.long()?,
            b'G' => f64::from_be_bytes(self.take()?).into(),
            b'X' => self.text()?,
            b'C' => Value::Bytes(self.short()?.to_vec()),
            b'B' => Value::Bytes(self.counted()?.to_vec()),
            _ => return Err("an instruction is unknown"),
        })
    }

    fn protocol(&mut self) -> Result<(), &'static str> {
        if self.take()? == [3] { Ok(()) } else { Err("it is of another version") }
    }

    /// An integer of some bytes, of which the highest bit is the sign.
    fn long(&mut self) -> Result<Value, &'static str> {
        let bytes = self.short()?;
        if bytes.len() > 16 {
            return Err("an integer is too large");
        }
        let is_negative = bytes.last().is_some_and(|byte| byte & 0x80 != 0);
        let mut whole = [if is_negative { 0xff } else { 0 }; 16];
        whole[..bytes.len()].copy_from_slice(bytes);
        let integer = Integer::try_from(i128::from_le_bytes(whole)).map_err(|_| "an integer is too large")?;
        Ok(Value::Integer(integer))
    }

    fn text(&mut self) -> Result<Value, &'static str> {
        let text = str::from_utf8(self.counted()?).map_err(|_| "a text is not UTF-8")?;
        Ok(Value::Text(text.to_owned()))
    }

    fn push(&mut self, value: Value) {
        self.stack.push(Item { value, depth: 0 });
    }

    /// Extends the list below the last mark by what lies above it.
    fn append(&mut self) -> Result<(), &'static str> {
        let above = self.above_mark()?;
        let (Value::Array(list), depth) = self.top()? else { return Err("there is no list") };
        deepen(depth, &above)?;
        list.extend(above.into_iter().map(|item| item.value));
        Ok(())
    }

    /// Makes what lies above the last mark a tuple, which is read as a list.
    fn tuple(&mut self) -> Result<(), &'static str> {
        let above = self.above_mark()?;
        let mut depth = 0;
        deepen(&mut depth, &above)?;
        let value = Value::Array(above.into_iter().map(|item| item.value).collect());
        self.stack.push(Item { value, depth });
        Ok(())
    }

    /// Adds the keys and values above the last mark to the dictionary below it.
    fn insert_all(&mut self) -> Result<(), &'static str> {
        let above = self.above_mark()?;
        self.insert_these(above)
    }

    /// Adds one key and value to the dictionary below them.
    fn insert(&mut self) -> Result<(), &'static str> {
        let at = self.stack.len().checked_sub(2).filter(|&at| at >= self.floor());
        let pair = self.stack.split_off(at.ok_or("there is no entry")?);
        self.insert_these(pair)
    }

    fn insert_these(&mut self, items: Vec<Item>) -> Result<(), &'static str> {
        let (Value::Map(entries), depth) = self.top()? else { return Err("there is no dictionary") };
        deepen(depth, &items)?;
        let mut values = items.into_iter().map(|item| item.value);
        while let Some(key) = values.next() {
            entries.push((key, values.next().ok_or("a key has no value")?));
        }
        Ok(())
    }

    /// How high the stack is below what is within reach.
    fn floor(&self) -> usize {
        self.marks.last().copied().unwrap_or(0)
    }

    fn above_mark(&mut self) -> Result<Vec<Item>, &'static str> {
        let mark = self.marks.pop().ok_or("there is no mark")?;
        // What is within reach lies above all marks, so the stack is never lower than one.
        Ok(self.stack.split_off(mark))
    }

    fn top(&mut self) -> Result<(&mut Value, &mut u32), &'static str> {
        let floor = self.floor();
        let item = self.stack[floor..].last_mut().ok_or("the stack is empty")?;
        Ok((&mut item.value, &mut item.depth))
    }

    /// The next bytes, as many as are wanted.
    fn take<const N: usize>(&mut self) -> Result<[u8; N], &'static str> {
        let (bytes, rest) = self.bytes.split_first_chunk().ok_or("it ends too early")?;
        self.bytes = rest;
        Ok(*bytes)
    }

    fn slice(&mut self, length: usize) -> Result<&[u8], &'static str> {
        let (bytes, rest) = self.bytes.split_at_checked(length).ok_or("it ends too early")?;
        self.bytes = rest;
        Ok(bytes)
    }

    /// Bytes behind their length, which takes a byte.
    fn short(&mut self) -> Result<&[u8], &'static str> {
        let [length] = self.take()?;
        self.slice(length.into())
    }

    /// Bytes behind their length, which takes four.
    fn counted(&mut self) -> Result<&[u8], &'static str> {
        let length = u32::from_le_bytes(self.take()?);
        self.slice(length as usize)
    }
}

/// Notes that a value holds these.
fn deepen(depth: &mut u32, items: &[Item]) -> Result<(), &'static str> {
    let below = items.iter().map(|item| item.depth + 1).max().unwrap_or(0);
    *depth = (*depth).max(below);
    if *depth > DEEPEST { Err("it is nested too deeply") } else { Ok(()) }
}
