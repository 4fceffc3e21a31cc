//! Sandboxes that are started before anybody asks: a shelf for each shape. What is taken is gone from
//! the shelf before anybody else can look, so none is handed out twice.

use std::{
    collections::VecDeque,
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use tokio::sync::Notify;
use wire::sandbox::{PoolShape, PoolView};

use crate::{
    launch::Started,
    settings::{PoolSize, Settings},
    shape::Shape,
};

/// After a failed start, the next one of that shape waits so long.
const AFTER_FAILURE: Duration = Duration::from_secs(10);
/// As many of all shapes are started at once: a start takes a core.
const AT_ONCE: usize = 2;

/// Started sandboxes that wait.
#[derive(Debug, Default)]
pub(crate) struct Pool {
    state: Mutex<State>,
    is_short: AtomicBool,
    /// Something was taken, or is wanted.
    pub(crate) changed: Notify,
}

#[derive(Debug, Default)]
struct State {
    shelves: Vec<Shelf>,
    hits: u64,
    misses: u64,
}

#[derive(Debug)]
struct Shelf {
    shape: Shape,
    size: usize,
    ready: VecDeque<Started>,
    starting: usize,
    hits: u64,
    misses: u64,
    failure: Option<(String, Instant)>,
}

impl Shelf {
    fn new(size: &PoolSize) -> Self {
        Self {
            shape: size.into(),
            size: size.size as usize,
            ready: VecDeque::new(),
            starting: 0,
            hits: 0,
            misses: 0,
            failure: None,
        }
    }

    fn waits(&self) -> bool {
        let failed = self.failure.as_ref();
        failed.is_some_and(|(_, at)| at.elapsed() < AFTER_FAILURE)
    }
}

impl Pool {
    /// Takes sizes from the settings; what is on shelves that are gone is given back to be removed.
    pub(crate) fn set(&self, settings: &Settings) -> Vec<Started> {
        let mut state = self.state.lock();
        let mut surplus = Vec::new();
        let mut before = std::mem::take(&mut state.shelves);
        for size in &settings.pool {
            let shape = Shape::from(size);
            let at = before.iter().position(|shelf| shelf.shape == shape);
            let mut shelf = at.map_or_else(|| Shelf::new(size), |at| before.swap_remove(at));
            shelf.size = size.size as usize;
            let more = shelf.ready.len().saturating_sub(shelf.size);
            surplus.extend(shelf.ready.drain(..more));
            state.shelves.push(shelf);
        }
        surplus.extend(before.into_iter().flat_map(|shelf| shelf.ready));
        drop(state);
        self.changed.notify_one();
        surplus
    }

    /// Takes one, if one of that shape waits. Those that ended while they waited are given back, to be
    /// removed.
    pub(crate) fn take(&self, shape: &Shape) -> (Option<Started>, Vec<Started>) {
        let mut ended = Vec::new();
        let mut state = self.state.lock();
        let mut taken = None;
        if let Some(shelf) = state.shelves.iter_mut().find(|shelf| shelf.shape == *shape) {
            while let Some(started) = shelf.ready.pop_front() {
                if started.session.is_over() {
                    ended.push(started);
                } else {
                    taken = Some(started);
                    break;
                }
            }
            match taken {
                Some(_) => shelf.hits += 1,
                None => shelf.misses += 1,
            }
        }
        match taken {
            Some(_) => state.hits += 1,
            None => state.misses += 1,
        }
        drop(state);
        self.changed.notify_one();
        (taken, ended)
    }

    /// Shapes to start one of now; each counts as being started.
    pub(crate) fn wanted(&self) -> Vec<Shape> {
        let mut wanted = Vec::new();
        if self.is_short.load(Ordering::Relaxed) {
            return wanted;
        }
        let mut state = self.state.lock();
        let mut starting: usize = state.shelves.iter().map(|shelf| shelf.starting).sum();
        for shelf in &mut state.shelves {
            while shelf.ready.len() + shelf.starting < shelf.size
                && !shelf.waits()
                && starting < AT_ONCE
            {
                shelf.starting += 1;
                starting += 1;
                wanted.push(shelf.shape.clone());
            }
        }
        wanted
    }

    /// Puts one on its shelf; it is given back if there is no room.
    pub(crate) fn put(&self, started: Started) -> Option<Started> {
        let is_short = self.is_short.load(Ordering::Relaxed);
        let mut state = self.state.lock();
        let shelf = state
            .shelves
            .iter_mut()
            .find(|shelf| shelf.shape == started.shape);
        let given_back = match shelf {
            None => Some(started),
            Some(shelf) => {
                shelf.starting = shelf.starting.saturating_sub(1);
                shelf.failure = None;
                if is_short || shelf.ready.len() >= shelf.size {
                    Some(started)
                } else {
                    shelf.ready.push_back(started);
                    None
                }
            }
        };
        drop(state);
        self.changed.notify_one();
        given_back
    }

    /// One could not be started; whether that failure is another one than the last.
    pub(crate) fn failed(&self, shape: &Shape, failure: &str) -> bool {
        let mut state = self.state.lock();
        let shelf = state.shelves.iter_mut().find(|shelf| shelf.shape == *shape);
        let Some(shelf) = shelf else { return false };
        shelf.starting = shelf.starting.saturating_sub(1);
        let before = shelf.failure.replace((failure.to_owned(), Instant::now()));
        before.is_none_or(|(words, _)| words != failure)
    }

    /// Takes out what satisfies a condition, to be removed.
    pub(crate) fn take_out(&self, is_meant: impl Fn(&Started) -> bool) -> Vec<Started> {
        let mut state = self.state.lock();
        let mut out = Vec::new();
        for shelf in &mut state.shelves {
            let ready = std::mem::take(&mut shelf.ready);
            let (meant, rest): (VecDeque<_>, VecDeque<_>) = ready.into_iter().partition(&is_meant);
            out.extend(meant);
            shelf.ready = rest;
        }
        drop(state);
        if !out.is_empty() {
            self.changed.notify_one();
        }
        out
    }

    /// Says whether memory is short; nothing waits while it is.
    pub(crate) fn set_short(&self, is_short: bool) {
        let was_short = self.is_short.swap(is_short, Ordering::Relaxed);
        if was_short != is_short {
            self.changed.notify_one();
        }
    }

    pub(crate) fn is_short(&self) -> bool {
        self.is_short.load(Ordering::Relaxed)
    }

    /// Images and the ids that they had when what waits was started.
    pub(crate) fn images(&self) -> Vec<(String, String)> {
        let state = self.state.lock();
        let ready = state.shelves.iter().flat_map(|shelf| &shelf.ready);
        let mut images: Vec<_> = ready
            .map(|started| (started.shape.image.clone(), started.image_id.clone()))
            .collect();
        images.sort();
        images.dedup();
        images
    }

    /// How it stands.
    pub(crate) fn view(&self) -> PoolView {
        let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        let state = self.state.lock();
        let shapes = state.shelves.iter().map(|shelf| PoolShape {
            image: shelf.shape.image.clone(),
            limits: shelf.shape.limits,
            network: shelf.shape.network,
            size: count(shelf.size),
            ready: count(shelf.ready.len()),
            starting: count(shelf.starting),
            hits: shelf.hits,
            misses: shelf.misses,
            failure: shelf.failure.as_ref().map(|(words, _)| words.clone()),
        });
        PoolView {
            shapes: shapes.collect(),
            hits: state.hits,
            misses: state.misses,
            under_pressure: self.is_short(),
        }
    }
}
