//! The last step of a load: the new generation takes over between two events.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use plugbus_bus::{Bus, Control, Handler, Replace, Subscription};

use super::{Context, Order, answer};
use crate::capture::Identity;
use crate::clock::unix_ns;
use crate::host_events::{self, About};
use crate::load::{LoadError, Loaded};
use crate::loader::Reload;
use crate::plan::Judged;
use crate::scan::Files;
use crate::slots::{Generation, Running};
use crate::stats::count;
use crate::supervise::guard::Guard;
use crate::tick::Ticker;

/// A generation on its way into the slot.
pub(super) struct New {
    pub(super) loaded: Loaded,
    pub(super) sha256: Identity,
    pub(super) wasm_sha256: Identity,
    pub(super) files: Files,
}

/// Puts the new generation on the subscription, or makes one, and waits for the old generation to finish.
pub(super) async fn install(context: &Arc<Context>, order: &mut Order, new: New) -> Result<(), LoadError> {
    let New { loaded, sha256, wasm_sha256, files } = new;
    let (control, number, faults) = {
        let mut table = context.slots.lock();
        let slot = table.slot(order.name.as_str());
        (slot.control(), slot.generations + 1, slot.faults.clone())
    };
    let about = About { plugin: order.name.clone(), generation: number, sha256 };
    let guard = Guard::new(about.clone(), context.bus.clone(), faults, loaded.manifest.supervision);
    let handlers: Vec<Box<dyn Handler>> = loaded.handlers.into_iter().map(|handler| guard.supervise(handler)).collect();
    let generation = Arc::new(Generation {
        about,
        wasm_sha256,
        manifest: loaded.manifest,
        component: loaded.component,
        template: loaded.template,
        filters: loaded.filters,
        guard,
        loaded_ns: unix_ns(),
    });
    let has_journal = context.bus.journal().is_some();
    let durable = generation.manifest.is_durable(has_journal);
    if durable && !has_journal {
        return Err(LoadError::NoJournal { name: order.name.clone() });
    }
    match control {
        Some(control) if control.is_durable() != durable => {
            return Err(LoadError::DurableChanged { name: order.name.clone(), durable: !durable });
        }
        None => {
            let subscription = subscribe(&context.bus, &generation, handlers)?;
            take_over(context, order, generation, Some(subscription), files);
        }
        Some(control) => swap(context, order, generation, control, handlers, files).await?,
    }
    Ok(())
}

async fn swap(
    context: &Arc<Context>,
    order: &mut Order,
    generation: Arc<Generation>,
    control: Control,
    handlers: Vec<Box<dyn Handler>>,
    files: Files,
) -> Result<(), LoadError> {
    let settings = Some(generation.manifest.settings.clone());
    let replace = Replace { filters: generation.filters.clone(), handlers, settings };
    let mut replacing = pin!(control.replace(replace, context.config.drain_grace));
    // The first poll lets the new handlers take over; the rest waits for the old ones. The slot is to show the new
    // generation from the moment it has the events.
    let first = poll_fn(|cx| Poll::Ready(replacing.as_mut().poll(cx))).await;
    if let Poll::Ready(Err(error)) = first {
        return Err(error.into());
    }
    let about = generation.about.clone();
    take_over(context, order, generation, None, files);
    let replaced = match first {
        Poll::Ready(replaced) => replaced,
        Poll::Pending => replacing.await,
    }?;
    if replaced.cut_off > 0 {
        tracing::warn!(plugin = %about.plugin, generation = about.generation, cut_off = replaced.cut_off, "the old generation did not finish within the grace; its events come again");
    }
    Ok(())
}

/// A new subscription begins paused: [`take_over`] lets it go once the slot is in order.
fn subscribe(bus: &Bus, generation: &Generation, handlers: Vec<Box<dyn Handler>>) -> Result<Subscription, LoadError> {
    let subscribe = bus.subscribe(generation.filters.clone()).name(generation.about.plugin.subscription());
    let mut subscribe = subscribe.settings(generation.manifest.settings.clone()).paused();
    if generation.manifest.is_durable(bus.journal().is_some()) {
        subscribe = subscribe.durable(generation.manifest.start);
    }
    Ok(subscribe.handlers(handlers)?)
}

/// The generation has the events now: says so to the slot, to whoever waits, and to the world.
fn take_over(
    context: &Context,
    order: &mut Order,
    generation: Arc<Generation>,
    subscription: Option<Subscription>,
    files: Files,
) {
    let before = {
        let mut table = context.slots.lock();
        let slot = table.slot(order.name.as_str());
        let (old, kept) = match slot.running.take() {
            Some(Running { generation, subscription, ticker: _ }) => (Some(generation), Some(subscription)),
            None => (None, None),
        };
        if let Some(old) = &old {
            old.guard.retire();
        }
        if let Some(subscription) = subscription.or(kept) {
            generation.guard.attach(subscription.control());
            let every = generation.manifest.tick;
            let ticker = every.and_then(|every| Ticker::start(subscription.control(), &order.name, every));
            slot.running = Some(Running { generation: generation.clone(), subscription, ticker });
        }
        slot.set_paused(slot.paused);
        slot.generations = generation.about.generation;
        slot.judged = Some(Judged::Files(files));
        slot.refused = None;
        slot.rejection = None;
        old.map(|old| old.about.clone())
    };
    let instances = generation.manifest.settings.concurrency.get();
    host_events::loaded(&context.bus, &generation.about, before.as_ref(), &generation.filters, instances);
    let to = generation.about.generation;
    let reload = match before {
        None => {
            count(&context.counters.loaded);
            Reload::Loaded { generation: to }
        }
        Some(before) => {
            count(&context.counters.reloaded);
            Reload::Swapped { from: before.generation, to }
        }
    };
    answer(std::mem::take(&mut order.replies), || Ok(reload.clone()));
    order.tokens.clear();
}
