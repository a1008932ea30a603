//! The thread that reads jobs and sees to it that each of them goes where it belongs.

use std::{
    io,
    sync::{Arc, mpsc::Sender},
    thread,
};

use ops::Builtin;
use pool::{Executor, Stage};

use super::{
    Enough, Intake, IntakeEnd, News, Taker,
    recorder::Recorder,
    resume::{Comparison, Resuming},
    runner::Runner,
};
use crate::{error::RunError, input::Source, output::Collector, parse::Rules};

/// Where jobs go, and what of them is known already.
pub(crate) struct Feeding {
    pub(crate) executor: Arc<dyn Executor<Builtin>>,
    pub(crate) collector: Arc<Collector>,
    pub(crate) recorder: Option<Arc<Recorder>>,
    pub(crate) rules: Rules,
    pub(crate) past: Option<Comparison>,
}

impl Feeding {
    /// Starts to read.
    pub(crate) fn start(self, intake: Intake, sources: Vec<Source>, news: &Sender<News>) -> io::Result<()> {
        let news = news.clone();
        thread::Builder::new().name("runner-intake".into()).spawn(move || {
            let lanes = self.collector.lanes().clone();
            lanes.intake.begin(Stage::Take);
            let result = self.feed(intake, sources, &news);
            lanes.intake.end();
            let _ = news.send(News::InputEnded(result));
        })?;
        Ok(())
    }

    fn feed(self, intake: Intake, sources: Vec<Source>, news: &Sender<News>) -> Result<(), RunError> {
        // Dropped at the end: what has gathered in it goes to the executor before that is told that nothing more will
        // come.
        let (recorder, executor) = (self.recorder.as_ref(), &*self.executor);
        let runner = Runner::new(&self.collector, recorder, executor, (&self.rules, news));
        let mut taker: Box<dyn Taker + '_> = match self.past {
            Some(past) => Box::new(Resuming::new(runner, self.rules, past)),
            None => Box::new(runner),
        };
        match intake.read_all(sources, &mut *taker) {
            Ok(()) | Err(IntakeEnd::NotWanted) => Ok(()),
            Err(IntakeEnd::Failed(error)) => Err(error),
            Err(IntakeEnd::Invalid) => {
                let _ = news.send(News::Enough(Enough::Invalid));
                Ok(())
            }
        }
    }
}
