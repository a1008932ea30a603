//! Generators for input files.

/// Returns `count` lines with jobs `{"op":"gcd",...}`, and their records.
#[must_use]
pub fn gcd_jobs(count: u64) -> (String, String) {
    let (mut jobs, mut expected) = (String::new(), String::new());
    let mut state = 1u64;
    for id in 0..count {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let (a, b) = (state >> 42, (state >> 20) & 0x3f_ffff);
        jobs += &format!("{{\"op\":\"gcd\",\"a\":{a},\"b\":{b}}}\n");
        expected += &format!("{{\"id\":{id},\"ok\":true,\"result\":{}}}\n", euclid(a, b));
    }
    (jobs, expected)
}

fn euclid(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { euclid(b, a % b) }
}

/// Returns lines with `command` jobs, each of which runs a shell script.
#[must_use]
pub fn shell_jobs(scripts: &[&str]) -> String {
    let line = |script: &&str| {
        let argv = serde_json::json!({"op": "command", "argv": ["sh", "-c", script]});
        argv.to_string() + "\n"
    };
    scripts.iter().map(line).collect()
}

/// Shell script that kills its worker, the leader of its process group, and then waits to be killed.
pub const KILL_WORKER: &str = "kill -KILL $(cut -d ' ' -f 5 /proc/$$/stat); sleep 100";
