//! Tests of the lists.

use std::collections::BTreeSet;

use sys::confinement::Instruction;

use super::{
    compile::{Verdict, compile},
    list,
};
use crate::{Level, Sandbox, Subject};

const PID: u32 = 4711;

/// Returns the verdict of the compiled filter on a call, and checks that it is that of the rules.
fn verdict(subject: Subject, sandbox: &Sandbox, call: i64, arguments: [u64; 6]) -> Verdict {
    let Some(list) = list(subject, sandbox, PID) else { return Verdict::Allow };
    let by_rules = match list.rules.iter().any(|rule| rule.matches(call, arguments)) {
        _ if call == super::numbers::CALL_CLONE3 => Verdict::Fail(libc::ENOSYS),
        true => list.matched,
        false => list.others,
    };
    let compiled = run(&compile(&list).unwrap(), THIS, call as u32, arguments);
    assert_eq!(compiled, by_rules, "{subject:?}, {sandbox:?}: {call} {arguments:?}");
    by_rules
}

/// `AUDIT_ARCH` of this architecture.
const THIS: u32 = if cfg!(target_arch = "x86_64") {
    0xc000_003e
} else if cfg!(target_arch = "aarch64") {
    0xc000_00b7
} else {
    0xc000_00f3
};

/// Runs a filter as the kernel does.
fn run(program: &[Instruction], architecture: u32, call: u32, arguments: [u64; 6]) -> Verdict {
    let words: Vec<u32> =
        arguments.iter().flat_map(|argument| [*argument as u32, (argument >> 32) as u32]).collect();
    let data = [vec![call, architecture, 0, 0], words].concat();
    let (mut place, mut loaded) = (0, 0u32);
    loop {
        let Instruction { code, jt, jf, k } = program[place];
        place += 1;
        let mut jump_if = |condition: bool| place += usize::from(if condition { jt } else { jf });
        match code {
            0x20 => loaded = data[k as usize / 4],
            0x54 => loaded &= k,
            0x05 => place += k as usize,
            0x15 => jump_if(loaded == k),
            0x25 => jump_if(loaded > k),
            0x35 => jump_if(loaded >= k),
            0x06 => match (k & libc::SECCOMP_RET_ACTION_FULL, k & libc::SECCOMP_RET_DATA) {
                (libc::SECCOMP_RET_ALLOW, _) => return Verdict::Allow,
                (libc::SECCOMP_RET_ERRNO, error) => return Verdict::Fail(error as i32),
                (libc::SECCOMP_RET_KILL_PROCESS, _) => return Verdict::Kill,
                other => panic!("{other:?}"),
            },
            other => panic!("an instruction that is not known: {other:#x}"),
        }
    }
}

/// All combinations of subjects, levels and settings.
fn all() -> impl Iterator<Item = (Subject, Sandbox)> {
    let sandboxes = [Sandbox::compute(), Sandbox::compute().net(), Sandbox::compute().write("/a")];
    let of_subject = move |subject| {
        let both = |sandbox: Sandbox| [sandbox.clone(), sandbox.strict()];
        sandboxes.clone().into_iter().flat_map(both).map(move |sandbox| (subject, sandbox))
    };
    [Subject::Worker, Subject::Program].into_iter().flat_map(of_subject)
}

fn worker(level: Level, call: i64, arguments: [u64; 6]) -> Verdict {
    verdict(Subject::Worker, &Sandbox::compute().with_level(level), call, arguments)
}

const DENIED: Verdict = Verdict::Fail(libc::EPERM);

/// Returns what each level says about a call of a worker.
fn both(call: i64, arguments: [u64; 6]) -> [Verdict; 2] {
    [Level::BestEffort, Level::Strict].map(|level| worker(level, call, arguments))
}

#[test]
fn filters_decide_as_their_rules_and_no_call_is_listed_twice() {
    let own = u64::from(PID);
    for (subject, sandbox) in all() {
        let list = list(subject, &sandbox, PID).unwrap();
        let calls: BTreeSet<i64> = list.rules.iter().map(|rule| rule.call).collect();
        assert_eq!(calls.len(), list.rules.len(), "a later rule would replace an earlier one");
        for call in 0..600 {
            for arguments in [[0; 6], [own; 6], [1, 0x5412, 1 << 32, 0, 0, 0], [0x10000, 1, 0, 0, 0, 0]] {
                verdict(subject, &sandbox, call, arguments);
            }
        }
    }
    assert!(list(Subject::Worker, &Sandbox::off(), PID).is_none());
}

#[test]
fn calls_of_other_architectures_kill() {
    for (subject, sandbox) in all() {
        let filter = compile(&list(subject, &sandbox, PID).unwrap()).unwrap();
        // 32-bit x86.
        assert_eq!(run(&filter, 0x4000_0003, libc::SYS_getpid as u32, [0; 6]), Verdict::Kill);
    }
}

#[test]
#[cfg(target_arch = "x86_64")]
fn calls_of_the_x32_interface_do_not_exist() {
    for (subject, sandbox) in all() {
        let filter = compile(&list(subject, &sandbox, PID).unwrap()).unwrap();
        let call = 0x4000_0000 | libc::SYS_getpid as u32;
        assert_eq!(run(&filter, THIS, call, [0; 6]), Verdict::Fail(libc::ENOSYS));
    }
}

#[test]
fn filters_take_few_steps() {
    for (subject, sandbox) in all() {
        let filter = compile(&list(subject, &sandbox, PID).unwrap()).unwrap();
        assert!(filter.len() < 600, "{}", filter.len());
    }
}

#[test]
fn other_processes_cannot_be_reached() {
    let own = u64::from(PID);
    for call in [libc::SYS_kill, libc::SYS_tgkill, libc::SYS_tkill] {
        assert_eq!(both(call, [own, 9, 0, 0, 0, 0]), [Verdict::Allow; 2]);
        assert_eq!(both(call, [1, 9, 0, 0, 0, 0]), [DENIED, Verdict::Kill]);
        // The group, and every process.
        for target in [0, -1i64 as u64, -i64::from(PID) as u64] {
            assert_eq!(both(call, [target, 9, 0, 0, 0, 0]), [DENIED, Verdict::Kill]);
        }
    }
    for call in [libc::SYS_ptrace, libc::SYS_execve, libc::SYS_socket, libc::SYS_bpf, libc::SYS_setuid] {
        assert_eq!(both(call, [0; 6]), [DENIED, Verdict::Kill], "{call}");
    }
}

#[test]
fn threads_are_allowed_and_processes_are_not() {
    let (thread, process) = (libc::CLONE_THREAD | libc::CLONE_VM, libc::SIGCHLD);
    assert_eq!(both(libc::SYS_clone, [thread as u64, 0, 0, 0, 0, 0]), [Verdict::Allow; 2]);
    assert_eq!(both(libc::SYS_clone, [process as u64, 0, 0, 0, 0, 0]), [DENIED, Verdict::Kill]);
    assert_eq!(both(super::numbers::CALL_CLONE3, [0; 6]), [Verdict::Fail(libc::ENOSYS); 2]);
}

#[test]
fn limits_can_be_read_and_not_set() {
    let own = u64::from(PID);
    assert_eq!(both(libc::SYS_prlimit64, [0, 7, 0, 1, 0, 0]), [Verdict::Allow; 2]);
    assert_eq!(both(libc::SYS_prlimit64, [own, 7, 0, 1, 0, 0]), [Verdict::Allow; 2]);
    assert_eq!(both(libc::SYS_prlimit64, [1, 7, 0, 1, 0, 0]), [DENIED, Verdict::Kill]);
    // An address whose lower half is zero.
    assert_eq!(both(libc::SYS_prlimit64, [0, 7, 1 << 32, 0, 0, 0]), [DENIED, Verdict::Kill]);
}

#[test]
fn upper_halves_of_numbers_are_ignored_as_the_kernel_does() {
    let request = libc::TIOCSTI | (1 << 32);
    assert_eq!(both(libc::SYS_ioctl, [0, request, 0, 0, 0, 0]), [DENIED, Verdict::Kill]);
    let own = u64::from(PID) | (1 << 32);
    assert_eq!(both(libc::SYS_kill, [own, 9, 0, 0, 0, 0]), [Verdict::Allow; 2]);
}

#[test]
fn network_and_writing_are_allowed_on_request() {
    for (call, sandbox) in [
        (libc::SYS_socket, Sandbox::compute().net()),
        (libc::SYS_connect, Sandbox::compute().net()),
        (libc::SYS_unlinkat, Sandbox::compute().write("/a")),
    ] {
        let strict = sandbox.clone().strict();
        assert_eq!(verdict(Subject::Worker, &strict, call, [0; 6]), Verdict::Allow);
        assert_eq!(worker(Level::Strict, call, [0; 6]), Verdict::Kill);
        assert_eq!(verdict(Subject::Worker, &sandbox, call, [0; 6]), Verdict::Allow);
    }
}

#[test]
fn attributes_of_files_cannot_be_changed_even_where_files_can_be_written() {
    let sandbox = Sandbox::compute().write("/a");
    for subject in [Subject::Worker, Subject::Program] {
        for call in [libc::SYS_fchmod, libc::SYS_fchownat, libc::SYS_setxattr, libc::SYS_utimensat] {
            assert_eq!(verdict(subject, &sandbox, call, [0; 6]), DENIED);
        }
    }
}

#[test]
fn a_program_may_execute_and_start_processes_but_not_namespaces() {
    let sandbox = Sandbox::compute().strict();
    let of_program = |call, first: u64| verdict(Subject::Program, &sandbox, call, [first, 0, 0, 0, 0, 0]);
    assert_eq!(of_program(libc::SYS_execve, 0), Verdict::Allow);
    assert_eq!(of_program(libc::SYS_clone, libc::SIGCHLD as u64), Verdict::Allow);
    assert_eq!(of_program(libc::SYS_kill, 1), Verdict::Allow, "Landlock decides");
    for flag in [libc::CLONE_NEWUSER, libc::CLONE_NEWNET, libc::CLONE_NEWPID] {
        assert_eq!(of_program(libc::SYS_clone, (flag | libc::SIGCHLD) as u64), DENIED);
    }
    for call in [libc::SYS_unshare, libc::SYS_socket, libc::SYS_ptrace, libc::SYS_mount] {
        assert_eq!(of_program(call, 0), DENIED);
    }
}
