//! The same name and the same bytes, dropped once more while the first is still on its way.

use crate::harness::{Row, World, names, primed, tagged};

fn of(world: &World, name: &str) -> Vec<Row> {
    world.jobs().into_iter().filter(|job| job.file_name == name).collect()
}

#[test]
fn f2_the_same_file_dropped_again_while_it_is_being_sent_is_a_file_of_its_own() {
    for (duplicates, second, accepted) in [("allow", "success", 2), ("hold", "held", 1)] {
        let mut world = World::new();
        world.account("a", &format!("duplicates = \"{duplicates}\""));
        let _daemon = primed(&world);
        world.fault("upload:slow=1500ms:n=1");
        world.drop_file("a", "daily.txt", tagged("same"));
        world.wait("the server to have it", || world.times_accepted("daily.txt") == 1);
        world.drop_file("a", "daily.txt", tagged("same"));
        world.wait(&format!("both to end under {duplicates}"), || {
            let states: Vec<_> = of(&world, "daily.txt").into_iter().map(|job| job.state).collect();
            states == ["success", second]
        });
        assert_eq!(world.times_accepted("daily.txt"), accepted);
        if duplicates == "hold" {
            world.wait("it to be filed", || names(&world.folder("a").join("held")) == ["daily.txt", "daily.txt.why"]);
            let [first, second] = of(&world, "daily.txt").try_into().unwrap();
            assert!(
                second.why().contains(&format!("was accepted as daily.txt (job {})", first.id)),
                "{}",
                second.why()
            );
        }
    }
}

#[test]
fn f2_the_same_file_dropped_again_while_nobody_knows_of_the_first_waits_until_that_is_settled() {
    for (arrives, first, second) in [(true, "success", "held"), (false, "cancelled", "success")] {
        let world = World::new();
        let _daemon = primed(&world);
        world.fault(if arrives { "upload:after-commit:reset:n=1" } else { "upload:after-body:reset:n=1" });
        world.fault("list:gateway=503");
        world.drop_file("a", "daily.txt", tagged("same"));
        world.wait_for("daily.txt", "unconfirmed");
        world.drop_file("a", "daily.txt", tagged("same"));
        world.wait("both to be known", || of(&world, "daily.txt").len() == 2);
        assert_eq!(of(&world, "daily.txt")[1].state, "queued");
        world.emulator().clear_faults();
        world.wait(&format!("both to end, the first of which arrived: {arrives}"), || {
            let states: Vec<_> = of(&world, "daily.txt").into_iter().map(|job| job.state).collect();
            states == [first, second]
        });
        assert_eq!(world.times_accepted("daily.txt"), 1);
    }
}

#[test]
fn f7_the_same_file_dropped_again_while_it_is_queued_takes_the_place_of_the_first() {
    for duplicates in ["allow", "hold"] {
        let mut world = World::new();
        world.account("a", &format!("duplicates = \"{duplicates}\""));
        let _daemon = primed(&world);
        world.fault("upload:429=2");
        world.drop_file("a", "daily.txt", tagged("same"));
        world.wait("it to be refused for now", || of(&world, "daily.txt").iter().any(|job| job.attempts > 0));
        world.wait_for("daily.txt", "queued");
        world.drop_file("a", "daily.txt", tagged("same"));
        world.wait("the second to be known", || of(&world, "daily.txt").len() == 2);
        world.emulator().clear_faults();
        world.wait("both to end", || {
            let states: Vec<_> = of(&world, "daily.txt").into_iter().map(|job| job.state).collect();
            states == ["cancelled", "success"]
        });
        assert!(of(&world, "daily.txt")[0].why().starts_with("replaced"));
        assert_eq!(world.times_accepted("daily.txt"), 1);
    }
}

#[test]
fn p4_the_marker_of_a_file_that_was_dropped_twice_goes_with_what_was_accepted_and_not_with_what_is_held() {
    let world = World::new();
    let _daemon = primed(&world);
    world.fault("upload:slow=1500ms:n=1");
    for _ in 0..2 {
        world.drop_file("a", "daily.txt", tagged("same"));
        world.wait("the server to have it", || world.times_accepted("daily.txt") == 1);
        world.drop_file("a", "daily.fin", "");
        world.wait("the marker to be known", || !of(&world, "daily.fin").is_empty());
    }
    world.wait("all to end", || {
        let mut states: Vec<_> = world.jobs().into_iter().map(|job| (job.file_name, job.state)).collect();
        states.sort();
        let wanted =
            [("daily.fin", "success"), ("daily.txt", "held"), ("daily.txt", "success"), ("first.txt", "success")];
        states.iter().map(|(name, state)| (name.as_str(), state.as_str())).eq(wanted)
    });
    assert_eq!(world.accepted(), ["first.txt", "daily.txt", "daily.fin"]);
    let [data, _] = of(&world, "daily.txt").try_into().unwrap();
    assert_eq!(of(&world, "daily.fin")[0].pair_id, Some(data.id));
}
