//! Courses over seconds and hours: what counts, and how much room they take.

use super::*;

fn at(second: u64) -> Timestamp {
    Timestamp::from_unix_micros(1_000_000_000) + Duration::from_secs(second)
}

fn pool(name: &str) -> PoolName {
    name.parse().expect("a pool")
}

fn of<T>(v1: T, v2: T) -> BTreeMap<PoolName, T> {
    [(pool("v1"), v1), (pool("v2"), v2)].into()
}

/// A hundred answers a second, of which so many in a hundred name the second pool.
struct Scene {
    course: Course,
    spread: Spread,
    counted: (u64, u64),
    now: u64,
}

impl Scene {
    fn new() -> Self {
        let (course, spread) = (Course::new(Some(3), of(0, 0)), Spread::Sticky);
        Self { course, spread, counted: (0, 0), now: 0 }
    }

    fn go_on(&mut self, seconds: u64, target: u8, answered: u64) {
        for _ in 0..seconds {
            self.now += 1;
            self.counted.0 += 100 - answered;
            self.counted.1 += answered;
            let (v1, v2) = self.counted;
            self.course.note(at(self.now), (of(100 - target, target), self.spread), of(v1, v2));
        }
    }

    fn share(&self) -> Share {
        self.course.share(&pool("v2")).expect("answers")
    }
}

#[test]
fn the_share_is_of_the_answers_since_the_target_changed() {
    let mut scene = Scene::new();
    scene.go_on(30, 0, 0);
    assert_eq!(scene.share().share, 0.0);
    scene.go_on(1, 10, 12);
    assert_eq!((scene.share().share, scene.share().answers), (12.0, 100));
    scene.go_on(1, 10, 8);
    assert_eq!((scene.share().share, scene.share().answers), (10.0, 200));
    scene.go_on(200, 10, 9);
    let Share { share, answers, .. } = scene.share();
    assert_eq!((share, answers), (9.0, 6_000), "of the last minute");
}

#[test]
fn a_tick_in_which_the_target_changes_is_told_as_two_points() {
    let mut scene = Scene::new();
    scene.go_on(5, 10, 10);
    let noted = |scene: &mut Scene, target: u8, v1: u64, v2: u64| {
        scene.counted.0 += v1;
        scene.counted.1 += v2;
        let (v1, v2) = scene.counted;
        let shares = (of(100 - target, target), scene.spread);
        scene.course.note(at(scene.now), shares, of(v1, v2));
    };
    noted(&mut scene, 10, 45, 5);
    assert_eq!((scene.share().share, scene.share().answers), (10.0, 550));
    noted(&mut scene, 50, 25, 25);
    assert_eq!((scene.share().share, scene.share().answers), (50.0, 50));
}

#[test]
fn a_share_strays_as_far_as_its_clients_make_it() {
    let mut scene = Scene::new();
    scene.go_on(59, 10, 10);
    assert_eq!(scene.share().deviation, None, "nobody knows who has asked");
    (0..2_000).for_each(|nth| scene.course.asked(nth % 59));
    scene.go_on(1, 10, 10);
    // sqrt(0.1 · 0.9 / 59) is 3.9 points, as of 10,000 resolvers by Zipf.
    let deviation = scene.share().deviation.expect("they have been counted");
    assert!((3.8..4.1).contains(&deviation), "{deviation}");
    scene.go_on(1, 100, 100);
    assert_eq!(scene.share().deviation, Some(0.0), "whoever asks");
}

#[test]
fn where_each_question_draws_it_does_not_matter_who_asks() {
    let mut scene = Scene::new();
    scene.spread = Spread::Random;
    (0..2_000).for_each(|nth| scene.course.asked(nth % 3));
    scene.go_on(60, 10, 10);
    let deviation = scene.share().deviation.expect("it is known");
    assert!((deviation - 100.0 * (0.09_f64 / 6_000.0).sqrt()).abs() < 1e-9, "{deviation}");
    assert_eq!(scene.course.clients(), None);
}

#[test]
fn what_has_come_while_it_had_ended_is_not_its_own() {
    let mut scene = Scene::new();
    scene.go_on(5, 10, 10);
    scene.counted.0 += 1_000_000;
    let (v1, v2) = scene.counted;
    scene.course.resume(of(v1, v2));
    scene.go_on(1, 10, 10);
    assert_eq!((scene.share().share, scene.share().answers), (10.0, 100));
}

#[test]
fn nobody_asked_is_no_share() {
    let mut course = Course::new(None, of(7, 7));
    assert_eq!(course.share(&pool("v2")), None);
    course.note(at(1), (of(90, 10), Spread::Sticky), of(7, 7));
    assert_eq!(course.share(&pool("v2")), None);
    assert_eq!(course.points()[0].share(&pool("v2")), None);
    assert_eq!(course.points().len(), 1, "the target is told all the same");
}

/// However long it lasts, and without losing an answer or a step.
#[test]
fn a_long_course_is_drawn_with_fewer_points() {
    let mut scene = Scene::new();
    scene.go_on(3_600, 10, 10);
    scene.go_on(3_600, 50, 50);
    scene.go_on(30_000, 100, 100);
    let points = scene.course.points();
    assert!((POINTS_MAX / 2 - 2..=POINTS_MAX).contains(&points.len()), "{}", points.len());
    assert_eq!(points.iter().map(Point::sum).sum::<u64>(), 37_200 * 100);
    let targets: BTreeSet<u8> = points.iter().map(|point| point.target[&pool("v2")]).collect();
    assert_eq!(targets, [10, 50, 100].into());
    for point in points {
        let share = point.share(&pool("v2")).expect("answers");
        assert_eq!(share.share, f64::from(point.target[&pool("v2")]), "no point is of two steps");
    }
    assert!(points.windows(2).all(|two| two[0].at < two[1].at));
    assert_eq!(points.last().map(|point| point.at), Some(at(37_200)));
}

#[test]
fn a_target_that_never_rests_takes_no_more_room() {
    let mut scene = Scene::new();
    for nth in 0..5_000 {
        scene.go_on(1, (nth % 101) as u8, 10);
    }
    assert!(scene.course.points().len() <= POINTS_MAX);
}
