//! Compilation of rules to a filter.

use std::collections::BTreeMap;

use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
    TargetArch,
};
use sys::confinement::Instruction;

use super::{
    numbers::CALL_CLONE3,
    rule::{Is, Rule, Test},
};

/// What happens to a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Allow,
    /// It fails with this error number.
    Fail(i32),
    /// The process is killed by SIGSYS.
    Kill,
}

/// Rules, and what happens to the calls that they match and to all others.
#[derive(Debug)]
pub(super) struct Filter {
    pub(super) rules: Vec<Rule>,
    pub(super) matched: Verdict,
    pub(super) others: Verdict,
}

/// Compiles a filter: the checks of the [start](start), a search for the calls that match with any arguments,
/// and the rest, which compares the calls one by one. The kernel runs a new filter for each number of a call,
/// to remember those that are always allowed: a list of all would take it ten times as long.
///
/// Returns `None` if the filter is invalid, which a test excludes for all filters of this crate.
pub(super) fn compile(filter: &Filter) -> Option<Vec<Instruction>> {
    let (any, tested): (Vec<&Rule>, Vec<&Rule>) = filter.rules.iter().partition(|rule| rule.when.is_empty());
    let rules: Option<BTreeMap<i64, Vec<SeccompRule>>> = tested.into_iter().map(converted).collect();
    let arch = TargetArch::try_from(std::env::consts::ARCH).ok()?;
    let rest = SeccompFilter::new(rules?, action(filter.others), action(filter.matched), arch).ok()?;
    let rest = BpfProgram::try_from(rest).ok()?;
    let rest = rest.iter().map(|one| Instruction { code: one.code, jt: one.jt, jf: one.jf, k: one.k });
    let calls: Option<Vec<u32>> = any.iter().map(|rule| u32::try_from(rule.call).ok()).collect();
    Some([start(), search(calls?, action(filter.matched).into())?].concat().into_iter().chain(rest).collect())
}

const LOAD: u16 = (libc::BPF_LD | libc::BPF_W | libc::BPF_ABS) as u16;
const JUMP: u16 = (libc::BPF_JMP | libc::BPF_JA) as u16;
const IF_EQUAL: u16 = (libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) as u16;
const UNLESS_LESS: u16 = (libc::BPF_JMP | libc::BPF_JGE | libc::BPF_K) as u16;
const RETURN: u16 = (libc::BPF_RET | libc::BPF_K) as u16;

/// Offsets in what the kernel passes to a filter.
const CALL: u32 = 0;
const ARCHITECTURE: u32 = 4;

/// `AUDIT_ARCH` of this architecture: its number in ELF files, 64 bits, little-endian.
const THIS_ARCHITECTURE: u32 = 0xc000_0000
    | if cfg!(target_arch = "x86_64") {
        62
    } else if cfg!(target_arch = "aarch64") {
        183
    } else {
        243
    };

fn instruction(code: u16, (jt, jf): (u8, u8), k: u32) -> Instruction {
    Instruction { code, jt, jf, k }
}

/// Returns the start of a filter. It kills processes that make calls of another architecture, whose numbers
/// have other meanings, and loads the number of the call.
///
/// `clone3` fails with ENOSYS: its flags are in memory, where a filter cannot read them, and C libraries use
/// `clone` where it is missing. On x86-64, calls can also be made with the numbers of the x32 interface,
/// which no list has: they do not exist, as on kernels without this interface.
fn start() -> Vec<Instruction> {
    const X32_BIT: u32 = 0x4000_0000;
    const NO_SUCH_CALL: u32 = libc::SECCOMP_RET_ERRNO | libc::ENOSYS as u32;
    let mut start = vec![
        instruction(LOAD, (0, 0), ARCHITECTURE),
        instruction(IF_EQUAL, (1, 0), THIS_ARCHITECTURE),
        instruction(RETURN, (0, 0), libc::SECCOMP_RET_KILL_PROCESS),
        instruction(LOAD, (0, 0), CALL),
        instruction(IF_EQUAL, (0, 1), CALL_CLONE3 as u32),
        instruction(RETURN, (0, 0), NO_SUCH_CALL),
    ];
    if cfg!(target_arch = "x86_64") {
        start.push(instruction(UNLESS_LESS, (0, 1), X32_BIT));
        start.push(instruction(RETURN, (0, 0), NO_SUCH_CALL));
    }
    start
}

/// Returns a binary search for the loaded number among `calls`: it returns `matched` if it finds it, and
/// continues behind its end if it does not. `None` if a jump would be too long.
fn search(mut calls: Vec<u32>, matched: u32) -> Option<Vec<Instruction>> {
    calls.sort_unstable();
    // Numbers from an even place in this list up to the next one are in `calls`, others are not.
    let mut bounds: Vec<u32> = Vec::new();
    for call in calls {
        if bounds.last() != Some(&call) {
            bounds.push(call);
        } else {
            bounds.pop();
        }
        bounds.push(call + 1);
    }
    let mut tree = subtree(&bounds, false, matched)?;
    let length = tree.len();
    // The jumps out of the tree.
    for (place, one) in tree.iter_mut().enumerate().filter(|(_, one)| one.code == JUMP) {
        one.k = u32::try_from(length - place - 1).ok()?;
    }
    Some(tree)
}

/// Returns the search between some of the bounds; `is_in` is whether numbers below the first of them match.
fn subtree(bounds: &[u32], is_in: bool, matched: u32) -> Option<Vec<Instruction>> {
    let middle = bounds.len() / 2;
    let Some(&bound) = bounds.get(middle) else {
        let found = instruction(RETURN, (0, 0), matched);
        return Some(vec![if is_in { found } else { instruction(JUMP, (0, 0), 0) }]);
    };
    let below = subtree(&bounds[..middle], is_in, matched)?;
    let above = subtree(&bounds[middle + 1..], is_in ^ middle.is_multiple_of(2), matched)?;
    let jump = u8::try_from(below.len()).ok()?;
    Some([vec![instruction(UNLESS_LESS, (jump, 0), bound)], below, above].concat())
}

fn action(verdict: Verdict) -> SeccompAction {
    match verdict {
        Verdict::Allow => SeccompAction::Allow,
        Verdict::Fail(error) => SeccompAction::Errno(error.unsigned_abs()),
        Verdict::Kill => SeccompAction::KillProcess,
    }
}

fn converted(rule: &Rule) -> Option<(i64, Vec<SeccompRule>)> {
    let list = |tests: &Vec<Test>| {
        let conditions: Option<Vec<SeccompCondition>> = tests.iter().map(|test| condition(*test)).collect();
        SeccompRule::new(conditions?).ok()
    };
    let lists: Option<Vec<SeccompRule>> = rule.when.iter().map(list).collect();
    Some((rule.call, lists?))
}

fn condition(Test { argument, is }: Test) -> Option<SeccompCondition> {
    use SeccompCmpArgLen::{Dword, Qword};
    let (length, operator, value) = match is {
        Is::Number(number) => (Dword, SeccompCmpOp::Eq, number.into()),
        Is::OtherThan(number) => (Dword, SeccompCmpOp::Ne, number.into()),
        Is::With(bit) => (Dword, SeccompCmpOp::MaskedEq(bit.into()), bit.into()),
        Is::Without(bit) => (Dword, SeccompCmpOp::MaskedEq(bit.into()), 0),
        Is::Null => (Qword, SeccompCmpOp::Eq, 0),
        Is::Address => (Qword, SeccompCmpOp::Ne, 0),
    };
    SeccompCondition::new(argument, length, operator, value).ok()
}
