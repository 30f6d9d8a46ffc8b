//! The course of a drill under every kind of luck: groups that end, hang or never become healthy.

use std::time::Duration;

use super::course::Course;
use super::step::{Action, Back, Doing, Ending, Event, Rules, Way};
use super::strike::{Choice, Kind, Strike};
use crate::chance::Chance;
use crate::core::{MemberId, Moment};

const SECOND: Duration = Duration::from_secs(1);

fn strikes() -> Vec<Strike> {
    let of = |kind, member: u16| Strike { kind, member: Some(MemberId(member)) };
    vec![
        of(Kind::Kill, 0),
        of(Kind::Term, 0),
        of(Kind::Late, 0),
        of(Kind::Kill, 1),
        of(Kind::Late, 1),
        of(Kind::Freeze, 0),
        Strike { kind: Kind::Platform, member: None },
        Strike { kind: Kind::Supervisor, member: None },
    ]
}

fn course(start_timeout: Option<Duration>) -> Course {
    Course::new(Rules {
        strikes: strikes(),
        start_timeout,
        notice: 3 * SECOND,
        settle: SECOND,
        within: 10 * SECOND,
        grace: 9 * SECOND,
    })
}

/// What is around a course: there is a group, or none, and it has been told to go.
#[derive(Default)]
#[allow(clippy::struct_excessive_bools, reason = "independent facts")]
struct World {
    now: Duration,
    lives: bool,
    doomed: bool,
    /// Whether its end was decided.
    decided: bool,
    judged: Vec<(usize, Ending)>,
    over: bool,
}

impl World {
    fn tell(&mut self, course: &mut Course, event: Event) {
        if event == Event::Gone {
            assert!(self.lives);
            self.lives = false;
        }
        self.decided |= event == Event::Verdict && self.lives;
        for action in course.step(Moment::at(self.now), event) {
            assert!(!self.over, "nothing comes behind the end: {action:?}");
            match action {
                Action::Start { .. } => {
                    assert!(!self.lives, "one group at a time");
                    (self.lives, self.doomed, self.decided) = (true, false, false);
                }
                Action::Hit(_) => {
                    assert!(self.lives && !self.decided, "whoever ends already is not struck");
                }
                Action::Look | Action::Stop => assert!(self.lives, "{action:?}"),
                Action::Kill => self.doomed = true,
                Action::Judge(number, ending) => {
                    let healthy =
                        ending.way == Way::Healthy || matches!(ending.back, Back::Since(_));
                    assert!(!healthy || (self.lives && !self.decided), "{ending:?}");
                    self.judged.push((number, ending));
                }
                Action::Finish => {
                    assert!(!self.lives, "no group is left");
                    self.over = true;
                }
            }
        }
    }
}

/// Everything goes as it should.
fn smooth(start_timeout: Option<Duration>) -> Vec<(usize, Ending)> {
    let (mut course, mut world) = (course(start_timeout), World::default());
    world.tell(&mut course, Event::Begin);
    for _ in 0..200 {
        if world.over {
            break;
        }
        world.now += Duration::from_millis(1_100);
        let hits = course
            .doing()
            .is_some_and(|(_, doing)| matches!(doing, Doing::Ending | Doing::Closing));
        if hits {
            world.tell(&mut course, Event::Verdict);
            world.tell(&mut course, Event::Gone);
        } else {
            world.tell(&mut course, Event::Running);
            if start_timeout.is_some() {
                world.tell(&mut course, Event::Healthy);
            }
            world.now += 2 * SECOND;
            world.tell(&mut course, Event::Tick);
        }
    }
    assert!(world.over);
    world.judged
}

#[test]
fn each_strike_is_judged_once_and_in_order() {
    for start_timeout in [None, Some(60 * SECOND)] {
        let judged = smooth(start_timeout);
        let numbers: Vec<usize> = judged.iter().map(|(number, _)| *number).collect();
        assert_eq!(numbers, (0..strikes().len()).collect::<Vec<_>>());
        for ((_, ending), strike) in judged.iter().zip(strikes()) {
            let way = if strike.kind == Kind::Late { Way::Healthy } else { Way::Ended };
            assert_eq!(ending.way, way, "{strike:?}");
            let comes_back = strike.kind != Kind::Platform;
            assert_eq!(matches!(ending.back, Back::Since(_)), comes_back, "{strike:?}");
        }
    }
}

/// Whatever comes: it comes to an end, and each strike is judged once and in order.
#[test]
fn it_ends_whatever_comes() {
    let mut seen = std::collections::BTreeSet::new();
    for seed in 1..=3_000 {
        let mut chance = Chance(seed * 7_919);
        let start_timeout = (seed % 2 == 0).then_some(20 * SECOND);
        let (mut course, mut world) = (course(start_timeout), World::default());
        world.tell(&mut course, Event::Begin);
        let mut steps = 0;
        while !world.over {
            steps += 1;
            assert!(steps < 5_000, "seed {seed} does not end");
            let longest = if chance.below(15) == 0 { 100_000 } else { 4_000 };
            world.now += Duration::from_millis(chance.next() % longest);
            let event = match chance.below(12) {
                0 => Event::Running,
                1 => Event::Healthy,
                2 => Event::Verdict,
                3 => Event::Finished(MemberId(u16::try_from(chance.below(2)).expect("small"))),
                4 if chance.below(8) == 0 => Event::HeldUp,
                5 if chance.below(40) == 0 => Event::Interrupted,
                6 | 7 if world.lives => Event::Gone,
                8 if world.lives && world.doomed => Event::Gone,
                _ => Event::Tick,
            };
            world.tell(&mut course, event);
        }
        let numbers: Vec<usize> = world.judged.iter().map(|(number, _)| *number).collect();
        assert_eq!(numbers, (0..strikes().len()).collect::<Vec<_>>(), "seed {seed}");
        seen.extend(world.judged.iter().map(|(_, ending)| format!("{:?}", ending.way)));
    }
    assert_eq!(seen.len(), 8, "every way was gone: {seen:?}");
}

#[test]
fn what_was_measured_wrongly_is_measured_again_twice_at_most() {
    let mut course = course(Some(60 * SECOND));
    let mut world = World::default();
    world.tell(&mut course, Event::Begin);
    let mut hits = 0;
    let opens = |world: &mut World, course: &mut Course| {
        world.tell(course, Event::Healthy);
        world.now += SECOND;
        world.tell(course, Event::Tick);
    };
    while world.judged.is_empty() {
        hits += 1;
        opens(&mut world, &mut course);
        world.tell(&mut course, Event::HeldUp);
        world.tell(&mut course, Event::Gone);
        opens(&mut world, &mut course);
        assert!(hits < 5);
    }
    assert_eq!(hits, 3);
}

#[test]
fn members_that_are_named_are_struck_and_the_group_if_that_is_named_too() {
    let reading = crate::spec::from_command_line(&crate::spec::Overlay {
        command: Some(vec!["web".into()]),
        sidecars: vec![("it".to_owned(), "it".to_owned())],
        grace_period: None,
    });
    let launch = reading.expect("a group");
    let names = |members: &[&str], kinds: &[Kind]| {
        let members = members.iter().map(|it| (*it).to_owned()).collect();
        let strikes = Choice { members, kinds: kinds.to_vec() }.strikes(&launch).expect("strikes");
        let name =
            |strike: &Strike| format!("{} {}", strike.target(&launch), strike.label(&launch));
        strikes.iter().map(name).collect::<Vec<_>>().join(", ")
    };
    assert_eq!(
        names(&[], &[]),
        "main SIGKILL, main SIGTERM, main late 3s, it SIGKILL, it SIGTERM, it late 3s, main freeze, \
         (fateshare) SIGTERM, (fateshare) SIGKILL"
    );
    assert_eq!(names(&["it"], &[]), "it SIGKILL, it SIGTERM, it late 3s");
    assert_eq!(names(&["it"], &[Kind::Term, Kind::Platform]), "it SIGTERM, (fateshare) SIGTERM");
    assert_eq!(names(&[], &[Kind::Late]), "main late 3s, it late 3s");
}
