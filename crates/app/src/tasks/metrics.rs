//! Numbers for Prometheus. Names of queues are letters, digits, `_`, `.` and `-`, so they can be labels as
//! they are.

use std::fmt::Write as _;

use wire::task::{QueueView, WorkerView};

/// Text for Prometheus.
pub(crate) fn prometheus(queues: &[QueueView], workers: &[WorkerView]) -> String {
    let mut text = String::new();
    let mut family = |name: &str, help: &str, values: Vec<(String, f64)>| {
        // Writing to a string can't fail.
        let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} gauge");
        for (labels, value) in values {
            let _ = writeln!(text, "{name}{labels} {value}");
        }
    };
    #[allow(clippy::cast_precision_loss, reason = "no queue has 2^53 tasks")]
    let number = |count: u64| count as f64;
    let mut states = Vec::new();
    for queue in queues {
        for (state, count) in [
            ("scheduled", queue.scheduled),
            ("queued", queue.queued),
            ("running", queue.running),
            ("retrying", queue.retrying),
            ("done", queue.done),
            ("failed", queue.failed),
        ] {
            let labels = format!("{{queue=\"{}\",state=\"{state}\"}}", queue.queue);
            states.push((labels, number(count)));
        }
    }
    family(
        "vivarium_tasks",
        "Tasks that are kept, by queue and state.",
        states,
    );
    let each = |of: &dyn Fn(&QueueView) -> f64| {
        let label = |queue: &QueueView| format!("{{queue=\"{}\"}}", queue.queue);
        queues
            .iter()
            .map(|queue| (label(queue), of(queue)))
            .collect()
    };
    family(
        "vivarium_task_queue_paused",
        "Whether workers take nothing from a queue.",
        each(&|queue| f64::from(u8::from(queue.paused))),
    );
    family(
        "vivarium_task_oldest_seconds",
        "How long the oldest queued task has waited.",
        each(&|queue| queue.oldest_s.unwrap_or_default()),
    );
    family(
        "vivarium_task_attempts_per_minute",
        "Attempts that ended within the last full minute.",
        each(&|queue| number(queue.ended_per_minute)),
    );
    family(
        "vivarium_task_run_seconds",
        "Mean time of an attempt within the last hour.",
        each(&|queue| queue.mean_run_s.unwrap_or_default()),
    );
    let alive: Vec<_> = workers.iter().filter(|worker| worker.alive).collect();
    let alone = |count: u64| vec![(String::new(), number(count))];
    family(
        "vivarium_task_workers",
        "Workers that are alive.",
        alone(alive.len() as u64),
    );
    family(
        "vivarium_task_slots",
        "Tasks that these can run at once.",
        alone(
            alive
                .iter()
                .map(|worker| u64::from(worker.concurrency))
                .sum(),
        ),
    );
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_queue_has_a_line_for_each_state() {
        let queue = serde_json::json!({
            "queue": "a.b", "paused": true, "queued": 3, "scheduled": 0, "retrying": 0, "running": 1,
            "done": 2, "failed": 0, "oldest_s": 1.5, "ended_per_minute": 6, "ended_last_hour": 6,
            "failed_last_hour": 0, "mean_run_s": null, "longest_run_s": null,
        });
        let queue: QueueView = serde_json::from_value(queue).unwrap();
        let text = prometheus(&[queue], &[]);
        for line in [
            "vivarium_tasks{queue=\"a.b\",state=\"queued\"} 3\n",
            "vivarium_task_queue_paused{queue=\"a.b\"} 1\n",
            "vivarium_task_oldest_seconds{queue=\"a.b\"} 1.5\n",
            "vivarium_task_workers 0\n",
        ] {
            assert!(text.contains(line), "{text}");
        }
    }
}
