//! The courses of releases, and of splits that are answered without one: counted each second, for
//! people who watch.

use std::{collections::BTreeMap, sync::Arc};

use super::service::Service;
use crate::{
    cutover::{
        Answering,
        course::{COURSE_TICK, Course},
        phase::Phase,
    },
    dns::{LookedAt, Plane},
    model::{PoolName, ServiceName, Timestamp},
    table::Tally,
};

/// As many as somebody can look at; of further services nothing is drawn.
const COURSES_MAX: usize = 500;

pub(super) struct Courses {
    plane: Arc<Plane>,
    of: BTreeMap<ServiceName, Followed>,
    seen: LookedAt,
    next: Option<Timestamp>,
}

struct Followed {
    course: Course,
    /// Whether it goes on.
    is_open: bool,
}

impl Courses {
    pub(super) fn new(plane: Arc<Plane>) -> Self {
        Self { plane, of: BTreeMap::new(), seen: LookedAt::default(), next: None }
    }

    /// The course of a service, if there is one.
    pub(super) fn of(&self, service: &ServiceName) -> Option<&Course> {
        self.of.get(service).map(|followed| &followed.course)
    }

    /// Those that go on.
    pub(super) fn open(&self, service: &ServiceName) -> Option<&Course> {
        self.of.get(service).filter(|followed| followed.is_open).map(|followed| &followed.course)
    }

    /// Something has become of a service. A course that has come to its end is there until the next
    /// one begins.
    pub(super) fn follow(&mut self, now: Timestamp, name: &ServiceName, service: &Service) {
        let phase = service.cutover.phase();
        let (release, is_open) = (phase.release().map(|release| release.id), is_of_use(service));
        if !is_open {
            if let Some(followed) = self.of.get_mut(name) {
                followed.is_open = false;
            }
            return;
        }
        self.make_room(name);
        if let Some(followed) = self.of.get_mut(name).filter(|it| it.course.release() == release) {
            if !followed.is_open {
                followed
                    .course
                    .resume(self.plane.counters.answers(name).into_iter().map(count).collect());
            }
            followed.is_open = true;
        } else if self.of.len() < COURSES_MAX || self.of.contains_key(name) {
            let counted = self.plane.counters.answers(name).into_iter().map(count);
            let course = Course::new(release, counted.collect());
            self.of.insert(name.clone(), Followed { course, is_open });
        }
        self.next.get_or_insert(now + COURSE_TICK);
    }

    /// A service is about to be answered otherwise than so.
    pub(super) fn leave(&mut self, now: Timestamp, name: &ServiceName, answering: &Answering) {
        if let Some(followed) = self.of.get_mut(name).filter(|followed| followed.is_open) {
            let counted = self.plane.counters.answers(name).into_iter().map(count).collect();
            followed.course.note(now, (answering.shares(), answering.spread), counted);
        }
    }

    /// A service is no longer answered.
    pub(super) fn forget(&mut self, service: &ServiceName) {
        self.of.remove(service);
    }

    pub(super) fn next_deadline(&self) -> Option<Timestamp> {
        self.next
    }

    /// Counts, if it is time.
    pub(super) fn tick(&mut self, now: Timestamp, services: &BTreeMap<ServiceName, Service>) {
        if self.next.is_none_or(|next| now < next) {
            return;
        }
        let open = self.of.iter_mut().filter(|(_, followed)| followed.is_open);
        let open: Vec<(&ServiceName, &mut Course)> =
            open.map(|(name, followed)| (name, &mut followed.course)).collect();
        self.next = (!open.is_empty()).then_some(now + COURSE_TICK);
        let (mut courses, mut owners) = (Vec::with_capacity(open.len()), BTreeMap::new());
        for (name, course) in open {
            let counted = self.plane.counters.answers(name);
            owners.extend(counted.iter().map(|(_, tally, _)| (*tally, courses.len())));
            courses.push((name, course, counted));
        }
        self.plane.counters.look(&mut self.seen, |tally, client| {
            if let Some(at) = owners.get(&tally) {
                courses[*at].1.asked(client);
            }
        });
        for (name, course, counted) in courses {
            let answering = services.get(name).and_then(|service| service.published.as_ref());
            let Some(answering) = answering else { continue };
            let target = (answering.shares(), answering.spread);
            course.note(now, target, counted.into_iter().map(count).collect());
        }
    }

    /// Of those that have ended, one has to go when there are too many.
    fn make_room(&mut self, name: &ServiceName) {
        if self.of.len() < COURSES_MAX || self.of.contains_key(name) {
            return;
        }
        let ended = self.of.iter().find(|(_, followed)| !followed.is_open);
        if let Some(ended) = ended.map(|(name, _)| name.clone()) {
            self.of.remove(&ended);
        }
    }
}

fn count((pool, _, count): (PoolName, Tally, u64)) -> (PoolName, u64) {
    (pool, count)
}

/// Whether it has shares that somebody may want to see.
fn is_of_use(service: &Service) -> bool {
    let phase = service.cutover.phase();
    let is_released = phase.release().is_some() && !matches!(phase, Phase::Failed(_));
    let is_split = || service.published.as_ref().is_some_and(|it| it.pools().nth(1).is_some());
    is_released || is_split()
}
