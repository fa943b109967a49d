//! The same name and the same bytes, dropped again while the first file is still in progress.

use crate::harness::{Row, World, data, names, primed, tagged};

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
fn f2_a_repeated_file_waits_until_the_first_is_reconciled() {
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
fn p4_the_marker_of_a_file_dropped_twice_follows_the_accepted_job_and_not_the_held_one() {
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

/// The states of all jobs with this name, in order.
fn states(world: &World, name: &str) -> Vec<String> {
    of(world, name).into_iter().map(|job| job.state).collect()
}

#[test]
fn p4_a_marker_that_comes_after_the_duplicate_follows_the_accepted_job() {
    let world = World::new();
    let _daemon = primed(&world);
    world.fault("upload:slow=1s:n=1");
    for _ in 0..2 {
        world.drop_file("a", "daily.txt", tagged("same"));
        world.wait("the server to have it", || world.times_accepted("daily.txt") == 1);
    }
    world.wait("both to end", || states(&world, "daily.txt") == ["success", "held"]);
    world.drop_file("a", "daily.fin", "");
    let marker = world.wait_for("daily.fin", "success");
    assert_eq!(marker.pair_id, Some(of(&world, "daily.txt")[0].id));
    assert_eq!(world.accepted(), ["first.txt", "daily.txt", "daily.fin"]);
}

#[test]
fn p4_a_marker_that_waited_follows_the_job_accepted_before_the_duplicate() {
    let world = World::new();
    let _daemon = primed(&world);
    let done = world.folder("a").join("done");
    let recorded = done.join("first.txt").display().to_string();
    world.wait("it to be filed", || world.jobs().iter().any(|job| job.path == recorded));
    // datadrop knows its content for good, although the file is gone.
    std::fs::remove_file(done.join("first.txt")).unwrap();
    crate::harness::connect_to_write(&world.state_dir()).execute("UPDATE job SET place = 'gone'", []).unwrap();
    world.drop_file("a", "first.fin", "");
    world.wait_for("first.fin", "waiting");
    world.drop_file("a", "first.txt", data(1));
    world.wait_for("first.fin", "success");
    assert_eq!(states(&world, "first.txt"), ["success", "held"]);
    assert_eq!(world.accepted(), ["first.txt", "first.fin"]);
}

#[test]
fn a_second_marker_is_not_sent_for_a_data_file_that_has_one_on_its_way() {
    for arrives in [true, false] {
        let world = World::new();
        let _daemon = primed(&world);
        world.drop_file("a", "daily.txt", tagged("once"));
        world.wait_for("daily.txt", "success");
        world.fault(if arrives { "upload:slow=1s:name=*.fin" } else { "upload:after-body:reset:n=1:name=*.fin" });
        world.fault("list:gateway=503");
        world.drop_file("a", "daily.fin", "");
        world.wait("it to be under way", || {
            states(&world, "daily.fin").iter().any(|state| state == if arrives { "uploading" } else { "unconfirmed" })
        });
        world.wait("the server to be at it", || !arrives || world.times_accepted("daily.fin") == 1);
        world.drop_file("a", "daily.fin", "");
        world.wait("the second to be known", || states(&world, "daily.fin").len() == 2);
        world.emulator().clear_faults();
        let end = if arrives { ["success", "waiting"] } else { ["cancelled", "success"] };
        world.wait("both to come to rest", || states(&world, "daily.fin") == end);
        assert_eq!(world.times_accepted("daily.fin"), 1);
    }
}

#[test]
fn f7_a_repeated_file_is_sent_if_the_first_did_not_arrive() {
    for keys in ["", "wire_name = \"unique\"", "wait_for_fin = true"] {
        let mut world = World::new();
        world.account("a", keys);
        let _daemon = world.start();
        if keys.starts_with("wait") {
            world.drop_file("a", "first.fin", "");
        }
        world.drop_file("a", "first.txt", data(1));
        world.wait_for("first.txt", "success");
        world.fault("upload:after-body:reset:n=1:name=daily*.txt");
        world.fault("list:gateway=503");
        world.drop_file("a", "daily.txt", tagged("same"));
        world.drop_file("a", "daily.fin", "");
        world.wait_for("daily.txt", "unconfirmed");
        // Removed and written again, in several steps.
        std::fs::remove_file(world.folder("a").join("daily.txt")).unwrap();
        world.write_file("a", "daily.txt", tagged("same"));
        world.wait("both to be known", || states(&world, "daily.txt") == ["unconfirmed", "queued"]);
        world.emulator().clear_faults();
        world.wait(&format!("all to end, {keys}"), || {
            states(&world, "daily.txt") == ["cancelled", "success"] && states(&world, "daily.fin") == ["success"]
        });
        let sent = world.accepted().iter().filter(|name| name.starts_with("daily")).count();
        assert_eq!(sent, 2, "{keys}: {:?}", world.accepted());
    }
}

#[test]
fn a_file_whose_place_another_took_gets_its_generated_marker_too() {
    let mut world = World::with_emulator(datadrop::emulator::EmulatorOptions {
        processing: std::time::Duration::from_secs(60),
        ..crate::harness::quick()
    });
    world.account("a", "fin = \"generate\"");
    let _daemon = world.start();
    world.fault("upload:slow=1s:n=1");
    world.drop_file("a", "daily.txt", tagged("old"));
    world.wait("the server to have it", || world.times_accepted("daily.txt") == 1);
    world.drop_file("a", "daily.txt", tagged("new"));
    world.wait("each to have its marker", || {
        states(&world, "daily.txt") == ["uploaded", "uploaded"]
            && states(&world, "daily.fin") == ["uploaded", "uploaded"]
    });
    let pairs: Vec<_> = of(&world, "daily.txt").into_iter().map(|job| job.pair_id).collect();
    assert!(pairs[0] != pairs[1] && pairs.iter().all(Option::is_some), "{pairs:?}");
    assert_eq!((world.times_accepted("daily.txt"), world.times_accepted("daily.fin")), (2, 2));
}

#[test]
fn p1_p4_content_written_during_the_upload_is_sent_too_and_the_marker_follows_it() {
    let mut world = World::new();
    // The answer arrives before the quiet period of the file has passed.
    world.set("settle = \"200ms\"", "settle = \"5s\"");
    let _daemon = primed(&world);
    world.fault("upload:slow=700ms:n=1");
    world.drop_file("a", "daily.txt", tagged("old"));
    world.wait("the server to have it", || world.times_accepted("daily.txt") == 1);
    world.drop_file("a", "daily.fin", "");
    world.write_file("a", "daily.txt", tagged("newer"));
    world.wait("all to end", || {
        states(&world, "daily.txt") == ["success", "success"] && states(&world, "daily.fin") == ["success"]
    });
    assert_eq!(world.accepted(), ["first.txt", "daily.txt", "daily.txt", "daily.fin"]);
    let [old, new] = of(&world, "daily.txt").try_into().unwrap();
    assert!(old.why().contains("changed after it was sent"), "{}", old.why());
    assert_eq!(of(&world, "daily.fin")[0].pair_id, Some(new.id));
    assert!(world.log().lines().any(|line| line.contains("WARN") && line.contains("changed after it was sent")));
}

#[test]
fn f2_a_file_that_was_only_touched_while_it_was_sent_is_no_new_one() {
    let mut world = World::new();
    world.account("a", "duplicates = \"allow\"");
    let _daemon = primed(&world);
    world.fault("upload:slow=700ms:n=1");
    let path = world.drop_file("a", "daily.txt", tagged("same"));
    world.wait("the server to have it", || world.times_accepted("daily.txt") == 1);
    std::fs::OpenOptions::new().append(true).open(&path).unwrap().set_modified(std::time::SystemTime::now()).unwrap();
    world.wait_for("daily.txt", "success");
    world.wait("it to be filed", || names(&world.folder("a").join("done")) == ["daily.txt", "first.txt"]);
    assert_eq!((of(&world, "daily.txt").len(), world.times_accepted("daily.txt")), (1, 1));
    assert_eq!(of(&world, "daily.txt")[0].reason, None);
}

#[test]
fn a_later_change_of_an_accepted_file_is_reported_with_its_job() {
    let world = World::new();
    let _daemon = primed(&world);
    world.fault("upload:slow=700ms:n=1");
    let path = world.drop_file("a", "daily.txt", tagged("gone"));
    world.wait("the server to have it", || world.times_accepted("daily.txt") == 1);
    std::fs::remove_file(path).unwrap();
    world.wait("it to be told", || {
        of(&world, "daily.txt").iter().any(|job| job.state == "success" && job.why().contains("removed from it"))
    });
}
