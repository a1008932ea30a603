//! Rows 7 and 8: long jobs, and the overhead of distributing them.

use std::time::Duration;

use crate::{
    bench::{Bench, WORKERS, checked, outputs, timed, warm_pool},
    child::LineClient,
    report::{Goal, Row},
    roles::start_helper,
    rounds::{Contender, Result, alternate},
    table::number,
    task::{Task, heavy_tailed, trial},
};

/// Measures equal jobs of 10 ms.
pub(crate) fn even(bench: &Bench) -> Result<Vec<Row>> {
    let count = bench.count(200, 20);
    let number = bench.calibration().trial_number(1e7);
    let sum = count as u64 * trial(number);
    let ours = warm_pool(WORKERS, bench.jobs(20_000))?;
    let mut helpers = [start_helper()?, start_helper()?];
    let half = request("trial", &vec![number; count / 2]);
    let contenders = vec![
        Contender::new("ProcessPool", || {
            let jobs = (0..count).map(|_| Task::Trial(number));
            let (time, results) = timed(|| outputs(&ours, jobs))?;
            checked(results, sum)?;
            Ok(millis(time))
        }),
        Contender::new("two serial runs of half of them", || {
            let (time, answers) = timed(|| side_by_side(&mut helpers, &half))?;
            checked(answers.map(|(_, sum)| sum), sum)?;
            Ok(millis(time))
        }),
    ];
    let series = alternate(contenders, bench.rounds(5))?;
    let what =
        format!("`map` of {count} jobs of 10 ms, against two serial runs of half of them side by side");
    let ratio = series[0].against(&series[1]);
    let goal = Goal::at_most("time of the serial halves", ratio, "times", [1.01, 1.005]);
    Ok(vec![Row::new("7", what, "ms").figures(&series).goal(goal)])
}

/// Measures jobs of which a few take most of the time.
pub(crate) fn heavy_tailed_jobs(bench: &Bench) -> Result<Vec<Row>> {
    let count = bench.count(20_000, 0);
    let costs: Vec<u64> =
        heavy_tailed(count).into_iter().map(|ns| bench.calibration().spin_turns(ns)).collect();
    let longest = *costs.iter().max().ok_or("no jobs")? as f64 / costs.iter().sum::<u64>() as f64;
    let ours = warm_pool(WORKERS, bench.jobs(20_000))?;
    let mut helpers = [start_helper()?, start_helper()?];
    let all = request("spin", &costs);
    let sum = costs.iter().map(|&turns| crate::task::spin(turns)).fold(0, u64::wrapping_add);
    let contenders = vec![
        Contender::new("ProcessPool", || {
            let (time, results) = timed(|| outputs(&ours, costs.iter().map(|&turns| Task::Spin(turns))))?;
            checked(results, sum)?;
            Ok(millis(time))
        }),
        Contender::new("the lower bound", || {
            // Both cores are busy, as with the pool: a single busy core may run faster.
            let answers = side_by_side(&mut helpers, &all)?;
            answers.iter().try_for_each(|&(_, answer)| checked([answer], sum))?;
            let total = answers.iter().map(|&(ns, _)| ns as f64).sum::<f64>() / 2.0;
            Ok((total / 2.0).max(total * longest) / 1e6)
        }),
    ];
    let series = alternate(contenders, bench.rounds(3))?;
    let what = format!("`map` of {} jobs of 10 us to 100 ms, most of them short", number(count as f64));
    let ratio = series[0].against(&series[1]);
    let goal = Goal::at_most("time of the lower bound", ratio, "times", [1.02, 1.01]);
    let note = "the lower bound: half of the processor time of a serial run of all, or the longest job";
    Ok(vec![Row::new("8", what, "ms").figures(&series).goal(goal).note(note)])
}

fn request(what: &str, numbers: &[u64]) -> String {
    let numbers: Vec<String> = numbers.iter().map(u64::to_string).collect();
    format!("{what} {}", numbers.join(" "))
}

/// Sends the request to both helpers before waiting for the replies.
fn side_by_side(helpers: &mut [LineClient; 2], request: &str) -> Result<[(u64, u64); 2]> {
    helpers.iter_mut().try_for_each(|helper| helper.send(request))?;
    let [one, other] = helpers;
    let mut answers = [(0, 0); 2];
    for (answer, helper) in answers.iter_mut().zip([one, other]) {
        let line = helper.receive()?;
        let (ns, sum) = line.split_once(' ').ok_or("no answer")?;
        *answer = (ns.parse()?, sum.parse()?);
    }
    Ok(answers)
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}
