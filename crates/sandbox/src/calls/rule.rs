//! A rule: a system call, and tests of its arguments.

/// A system call, with arguments that pass all tests of one of the lists; with any arguments if there is no
/// list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Rule {
    pub(super) call: i64,
    pub(super) when: Vec<Vec<Test>>,
}

/// A test of an argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Test {
    /// Number of the argument, from 0.
    pub(super) argument: u8,
    pub(super) is: Is,
}

/// Condition of a test. The kernel ignores the upper half of arguments that are not addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Is {
    /// The lower half equals the number.
    Number(u32),
    /// The lower half differs from the number.
    OtherThan(u32),
    /// The lower half has this bit.
    With(u32),
    /// The lower half lacks this bit.
    Without(u32),
    /// A null pointer.
    Null,
    /// A pointer that is not null.
    Address,
}

/// A call with any arguments.
pub(super) fn any(call: i64) -> Rule {
    Rule { call, when: Vec::new() }
}

/// A call with arguments that pass all tests.
pub(super) fn when<const N: usize>(call: i64, tests: [(u8, Is); N]) -> Rule {
    Rule { call, when: Vec::new() }.or(tests)
}

/// A call with one of the numbers as an argument.
pub(super) fn with_any_of(call: i64, argument: u8, numbers: &[u32]) -> Rule {
    let test = |&number| vec![Test { argument, is: Is::Number(number) }];
    Rule { call, when: numbers.iter().map(test).collect() }
}

impl Rule {
    /// Adds an alternative.
    pub(super) fn or<const N: usize>(mut self, tests: [(u8, Is); N]) -> Rule {
        self.when.push(tests.map(|(argument, is)| Test { argument, is }).to_vec());
        self
    }

    /// Returns whether the rule matches a call.
    #[cfg(test)]
    pub(super) fn matches(&self, call: i64, arguments: [u64; 6]) -> bool {
        let passes = |test: &Test| test.is.holds(arguments[usize::from(test.argument)]);
        self.call == call && (self.when.is_empty() || self.when.iter().any(|list| list.iter().all(passes)))
    }
}

#[cfg(test)]
impl Is {
    fn holds(self, argument: u64) -> bool {
        let lower = argument as u32;
        match self {
            Is::Number(number) => lower == number,
            Is::OtherThan(number) => lower != number,
            Is::With(bit) => lower & bit == bit,
            Is::Without(bit) => lower & bit == 0,
            Is::Null => argument == 0,
            Is::Address => argument != 0,
        }
    }
}
