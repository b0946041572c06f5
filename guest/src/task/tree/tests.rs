//! Tests of the tree of processes: by example, and against what must hold after any operations.

use std::collections::BTreeMap as Model;

use linux_raw_sys::general as linux;
use proptest::prelude::*;

use super::super::signal::SIGCHLD;
use super::*;

type TestTree = Tree<u32, ()>;

fn tree(parents: &[(Pid, Pid)]) -> TestTree {
    let mut tree = TestTree::new();
    for (pid, parent) in parents {
        assert_eq!(tree.reserve(), Ok(*pid));
        tree.insert(*pid, *parent, SIGCHLD, *pid * 100);
    }
    tree
}

fn wait_any(tree: &TestTree, caller: Pid) -> Found<u32> {
    let wanted = Wanted::for_wait4(-1, 0, 0).unwrap();
    tree.wait(caller, &wanted, |node| node.is_ended().then_some(node.payload))
}

#[test]
fn numbers_go_round_and_skip_what_is_used() {
    let mut tree = tree(&[(1, 0), (2, 1)]);
    tree.set_pid_max(310).unwrap();
    for want in 3..310 {
        assert_eq!(tree.reserve(), Ok(want));
    }
    assert_eq!(tree.reserve(), Err(Errno::EAGAIN));
    for pid in [305, 302, 4] {
        tree.release(pid);
    }
    assert_eq!([tree.reserve(), tree.reserve()], [Ok(302), Ok(305)]);
    assert_eq!(tree.reserve(), Err(Errno::EAGAIN), "low numbers are not given out twice");
    assert_eq!(tree.set_pid_max(300), Err(Errno::EINVAL));
}

#[test]
fn a_number_is_used_as_long_as_a_group_or_session_has_it() {
    let mut tree = tree(&[(1, 0), (2, 1), (3, 2)]);
    tree.new_session(2).unwrap();
    tree.set_group(2, 3, 3).unwrap_err();
    assert_eq!(tree.get(3).unwrap().session(), 1, "a child stays where it was");
    tree.insert(4, 2, SIGCHLD, 0);
    assert_eq!((tree.get(4).unwrap().group(), tree.get(4).unwrap().session()), (2, 2));
    tree.set_group(4, 4, 4).unwrap();
    tree.end(2);
    assert_eq!(tree.reap(2), Some(200));
    assert_eq!(tree.members(2), []);
    assert!(tree.entries.contains_key(&2), "session 2 has group 4");
    tree.end(4);
    tree.reap(4);
    assert!(!tree.entries.contains_key(&2) && !tree.entries.contains_key(&4));
}

#[test]
fn groups_and_sessions() {
    let mut tree = tree(&[(1, 0), (2, 1), (3, 2), (4, 2)]);
    for (caller, pid, group, want) in [
        (2, 3, 3, Ok(())),
        (2, 4, 3, Ok(())),
        (2, 2, 9, Err(Errno::EPERM)),
        (3, 4, 4, Err(Errno::ESRCH)),
        (2, 9, 9, Err(Errno::ESRCH)),
        (1, 1, 1, Err(Errno::EPERM)),
    ] {
        assert_eq!(tree.set_group(caller, pid, group), want, "{caller} {pid} {group}");
    }
    assert_eq!(tree.members(3), [3, 4]);
    tree.node(4).has_executed = true;
    assert_eq!(tree.set_group(2, 4, 4), Err(Errno::EACCES));
    assert_eq!(tree.new_session(3), Err(Errno::EPERM), "it leads a group");
    tree.new_session(4).unwrap();
    assert_eq!((tree.members(3), tree.members(4)), (&[3][..], &[4][..]));
    assert_eq!(tree.set_group(4, 4, 3), Err(Errno::EPERM));
    assert_eq!((tree.group_session(4), tree.group_session(77)), (4, 0));
}

#[test]
fn orphans_go_to_the_first_process() {
    let mut tree = tree(&[(1, 0), (2, 1), (3, 2), (4, 2)]);
    tree.end(3);
    assert_eq!(wait_any(&tree, 1), Found::NotYet);
    assert_eq!(tree.end(2), [4, 3]);
    assert_eq!(tree.get(4).unwrap().parent(), INIT);
    assert_eq!(wait_any(&tree, 1), Found::Child(2, 200));
    tree.reap(2);
    assert_eq!(wait_any(&tree, 1), Found::Child(3, 300));
    assert_eq!(tree.reap(4), None, "it lives");
    tree.reap(3);
    assert_eq!(wait_any(&tree, 1), Found::NotYet);
    tree.end(4);
    tree.reap(4);
    assert_eq!(wait_any(&tree, 1), Found::Nobody);
    assert_eq!(tree.processes(), 1);
}

#[test]
fn waiting_for_some() {
    let mut tree = tree(&[(1, 0), (2, 1), (3, 1), (4, 1)]);
    tree.set_group(1, 3, 3).unwrap();
    tree.node(4).exit_signal = 0;
    let wait = |tree: &TestTree, pid, options| {
        let wanted = Wanted::for_wait4(pid, options, 1).unwrap();
        tree.wait(1, &wanted, |node| node.is_ended().then_some(()))
    };
    for (pid, options, want) in [
        (-1, 0, Found::NotYet),
        (2, 0, Found::NotYet),
        (9, 0, Found::Nobody),
        (-3, 0, Found::NotYet),
        (-4, 0, Found::Nobody),
        (4, 0, Found::Nobody),
        (4, linux::__WALL, Found::NotYet),
        (-1, linux::WUNTRACED, Found::NotYet),
    ] {
        assert_eq!(wait(&tree, pid, options), want, "{pid} {options}");
    }
    tree.end(3);
    assert_eq!(wait(&tree, -1, 0), Found::Child(3, ()));
    assert_eq!(wait(&tree, 2, 0), Found::NotYet);
    assert_eq!(wait(&tree, -3, 0), Found::Child(3, ()));
    let living = Wanted::for_wait4(-1, linux::WUNTRACED, 1).unwrap();
    let found = tree.wait(1, &living, |node| (node.payload == 200).then_some(()));
    assert_eq!(found, Found::Child(2, ()));
}

#[test]
fn groups_are_orphaned_with_the_last_parent_outside() {
    // A shell (2) in its own session runs two jobs, (3, 4) and (5).
    let mut tree = tree(&[(1, 0), (2, 1)]);
    tree.new_session(2).unwrap();
    for (pid, group) in [(3, 3), (4, 3), (5, 5)] {
        tree.reserve().unwrap();
        tree.insert(pid, 2, SIGCHLD, 0);
        tree.set_group(2, pid, group).unwrap();
    }
    assert_eq!([1, 2, 3, 5].map(|group| tree.is_orphaned(group)), [true, true, false, false]);
    assert_eq!(tree.tied_groups(2), [3, 5]);
    assert_eq!(tree.tied_groups(3), [3]);
    tree.end(3);
    assert!(!tree.is_orphaned(3), "4 ties it");
    tree.end(2);
    assert!(tree.is_orphaned(3) && tree.is_orphaned(5));
}

/// What is done to a tree; numbers select processes.
#[derive(Clone, Debug)]
enum Step {
    Fork(usize),
    End(usize),
    Reap(usize),
    Group(usize, usize),
    Session(usize),
}

fn step() -> impl Strategy<Value = Step> {
    let any = || 0..64usize;
    prop_oneof![
        4 => any().prop_map(Step::Fork),
        2 => any().prop_map(Step::End),
        2 => any().prop_map(Step::Reap),
        2 => (any(), any()).prop_map(|(pid, group)| Step::Group(pid, group)),
        1 => any().prop_map(Step::Session),
    ]
}

fn check(tree: &TestTree) {
    let mut groups: Model<Pid, (Vec<Pid>, Pid)> = Model::new();
    let mut children = 0;
    for (pid, node) in tree.iter() {
        let (members, session) = groups.entry(node.group()).or_default();
        members.push(pid);
        assert!(*session == 0 || *session == node.session(), "a group is in one session");
        *session = node.session();
        for child in tree.children(pid) {
            assert_eq!(tree.get(child).unwrap().parent(), pid);
            children += 1;
        }
        assert!(node.living.iter().all(|child| !tree.get(*child).unwrap().is_ended()));
        assert!(node.ended.iter().all(|child| tree.get(*child).unwrap().is_ended()));
        assert!(!node.is_ended() || node.living.is_empty() && node.ended.is_empty());
    }
    assert_eq!((tree.iter().count(), children), (tree.processes(), tree.processes() - 1));
    let mut sessions: Model<Pid, u32> = Model::new();
    for (group, (members, session)) in &groups {
        let mut found = tree.members(*group).to_vec();
        found.sort_unstable();
        assert_eq!((&found, tree.group_session(*group)), (members, *session));
        *sessions.entry(*session).or_default() += 1;
    }
    for (pid, entry) in &tree.entries {
        assert!(!entry.is_free(), "{pid}");
        assert_eq!(entry.session_groups, sessions.get(pid).copied().unwrap_or(0));
        assert_eq!(entry.members.is_empty(), !groups.contains_key(pid));
    }
}

proptest! {
    #[test]
    fn it_stays_a_tree(steps in prop::collection::vec(step(), 0..80)) {
        let mut tree = tree(&[(1, 0)]);
        for step in steps {
            let pids: Vec<Pid> = tree.iter().map(|(pid, _)| pid).collect();
            let pick = |index: usize| pids[index % pids.len()];
            let lives = |tree: &TestTree, pid| !tree.get(pid).unwrap().is_ended();
            match step {
                Step::Fork(index) if lives(&tree, pick(index)) => {
                    let pid = tree.reserve().unwrap();
                    prop_assert!(!pids.contains(&pid));
                    tree.insert(pid, pick(index), SIGCHLD, 0);
                }
                Step::End(index) if pick(index) != INIT && lives(&tree, pick(index)) => {
                    let groups = tree.tied_groups(pick(index));
                    tree.end(pick(index));
                    prop_assert!(groups.iter().all(|group| !tree.members(*group).is_empty()));
                }
                Step::Reap(index) => {
                    let was_ended = !lives(&tree, pick(index));
                    prop_assert_eq!(tree.reap(pick(index)).is_some(), was_ended);
                }
                Step::Group(pid, group) => {
                    let (pid, group) = (pick(pid), pick(group));
                    let caller = tree.get(pid).unwrap().parent().max(INIT);
                    let _ = tree.set_group(caller, pid, group);
                }
                Step::Session(index) if lives(&tree, pick(index)) => {
                    let _ = tree.new_session(pick(index));
                }
                _ => {}
            }
            check(&tree);
        }
    }
}
