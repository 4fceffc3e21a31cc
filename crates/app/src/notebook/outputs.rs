//! Outputs of cells, read from what the machine sends: typed, or in a few words why they can't be; and
//! those that came as references, fetched.

use machine_client::{RouteCall, json};
use wire::{
    advice::Advice,
    commands::{KernelOutput, KernelOutputRequest},
    failure::{Failure, FailureCode},
    nbformat::{CellOutput, Output, OutputReference, REFERENCE_BYTES, UnreadableOutput},
    routes::{GetOutput, NamePair},
};

use crate::{MachineHandle, body::failed};

/// The most that one output may have: the kernel replaces larger ones than 64 MiB, before they are
/// written as JSON.
const OUTPUT_BYTES: usize = 96 << 20;

/// An output as views hear of it.
pub(crate) fn output(text: &[u8]) -> CellOutput {
    match json::from_slice::<Output>(text) {
        Ok(output) => output.into(),
        Err(error) => UnreadableOutput::of(text, &error.to_string()).into(),
    }
}

/// What refers to an output that wasn't sent along. It is kept, and small.
pub(super) fn reference(text: &[u8]) -> CellOutput {
    if text.len() > REFERENCE_BYTES {
        return UnreadableOutput::of(text, "it should refer to an output, but is too large").into();
    }
    match json::from_slice::<OutputReference>(text) {
        Ok(reference) => reference.into(),
        Err(error) => UnreadableOutput::of(text, &error.to_string()).into(),
    }
}

impl MachineHandle {
    /// An output that came as a reference.
    ///
    /// # Errors
    /// [`FailureCode::NotFound`] if the machine no longer has it.
    pub(crate) async fn kernel_output(
        &self,
        request: KernelOutputRequest,
    ) -> Result<KernelOutput, Failure> {
        let names = NamePair(request.execution_id, request.seq.to_string());
        let call = RouteCall::<GetOutput>::new(names, &()).map_err(failed)?;
        let text = self.text_up_to(OUTPUT_BYTES, &call).await;
        let text = text.map_err(|failure| match failure.code {
            FailureCode::NotFound => gone(),
            _ => failure,
        })?;
        Ok(KernelOutput {
            output: output(&text),
        })
    }
}

fn gone() -> Failure {
    Failure::new(
        FailureCode::NotFound,
        "The output is no longer in the machine",
    )
    .because("The machine keeps the outputs of its last cells, until it is restarted.")
    .next(Advice::RunCellAgain)
}

#[cfg(test)]
mod tests {
    use wire::nbformat::{HEAD_CHARS, OutputStandIn};

    use super::*;

    #[test]
    fn what_is_no_output_of_nbformat_is_told_in_a_few_words() {
        let deep = "[".repeat(1 << 20);
        let long = "\"é\",".repeat(1 << 18);
        for text in [
            "",
            "null",
            "3",
            "{}",
            r#"{"output_type": "later", "data": {}}"#,
            r#"{"output_type": "stream", "name": "stdout"}"#,
            r#"{"output_type": "stream", "name": "stdout", "text": {"a": 1}}"#,
            r#"{"output_type": "display_data", "data": [1]}"#,
            r#"{"output_type": "error", "ename": {}, "evalue": null, "traceback": [3, null]}"#,
            &deep,
            &format!("[{long}1]"),
        ] {
            let CellOutput::StandIn(OutputStandIn::Unreadable(told)) = output(text.as_bytes())
            else {
                panic!("{text}");
            };
            assert_eq!(told.size_bytes, text.len() as u64);
            assert!(!told.cause.is_empty());
            assert!(told.head.chars().count() <= HEAD_CHARS);
            assert!(matches!(
                reference(text.as_bytes()),
                CellOutput::StandIn(OutputStandIn::Unreadable(_))
            ));
        }
    }

    #[test]
    fn a_reference_that_is_not_small_is_not_kept() {
        let told = |head: &str| {
            let reference = OutputReference {
                execution_id: "e".into(),
                seq: 1,
                of: None,
                display_id: None,
                size_bytes: 1 << 20,
                mime_types: Vec::new(),
                head: head.into(),
            };
            reference_of(&reference)
        };
        assert!(matches!(
            told("short"),
            CellOutput::StandIn(OutputStandIn::Reference(_))
        ));
        assert!(matches!(
            told(&"x".repeat(REFERENCE_BYTES)),
            CellOutput::StandIn(OutputStandIn::Unreadable(_))
        ));
    }

    fn reference_of(told: &OutputReference) -> CellOutput {
        reference(&serde_json::to_vec(told).unwrap())
    }
}
