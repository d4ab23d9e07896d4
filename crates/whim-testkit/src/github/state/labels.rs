//! Labels of a repository and of its issues.

use super::super::error_response::{ErrorResponse, Invalid};
use super::{Change, EventKind, Label, Repository};

/// The color of a label that was created by adding it to an issue.
const DEFAULT_COLOR: &str = "ededed";

/// GitHub's limits, in characters.
const NAME_LIMIT: usize = 50;
const DESCRIPTION_LIMIT: usize = 100;

/// The fields of a new label.
pub(in super::super) struct LabelFields {
    pub(in super::super) name: String,
    pub(in super::super) color: Option<String>,
    pub(in super::super) description: Option<String>,
}

impl Repository {
    /// Names of labels are case-insensitive.
    pub(in super::super) fn label(&self, name: &str) -> Option<&Label> {
        self.labels
            .iter()
            .find(|label| label.name.to_lowercase() == name.to_lowercase())
    }

    pub(in super::super) fn create_label(&mut self, fields: LabelFields) -> Result<&Label, ErrorResponse> {
        let mut errors = Vec::new();
        if name_is_refused(&fields.name) {
            errors.push(Invalid::field("Label", "name"));
        }
        if self.label(&fields.name).is_some() {
            errors.push(Invalid::already_exists("Label", "name"));
        }
        let color = fields.color.unwrap_or_else(|| DEFAULT_COLOR.to_owned());
        if color.len() != 6 || !color.chars().all(|it| it.is_ascii_hexdigit()) {
            errors.push(Invalid::field("Label", "color"));
        }
        if fields
            .description
            .as_deref()
            .is_some_and(|it| it.chars().count() > DESCRIPTION_LIMIT)
        {
            errors.push(Invalid::field("Label", "description"));
        }
        if !errors.is_empty() {
            return Err(ErrorResponse::Invalid(errors));
        }
        let id = self.next_id();
        let label = Label {
            id,
            name: fields.name,
            color,
            description: fields.description,
        };
        self.labels.push(label);
        self.labels.last().ok_or(ErrorResponse::NotFound)
    }

    /// Adds labels to an issue. Missing labels are created in the repository, as on GitHub.
    pub(in super::super) fn add_labels(
        &mut self,
        number: u64,
        names: &[String],
        change: &Change,
    ) -> Result<(), ErrorResponse> {
        self.issue(number).ok_or(ErrorResponse::NotFound)?;
        if names.iter().any(|name| name_is_refused(name)) {
            return Err(ErrorResponse::invalid(Invalid::field("Label", "name")));
        }
        for name in names {
            let label = match self.label(name) {
                Some(label) => label.clone(),
                None => {
                    let fields = LabelFields {
                        name: name.clone(),
                        color: None,
                        description: None,
                    };
                    self.create_label(fields)?.clone()
                }
            };
            let issue = self.issues.get(&number).ok_or(ErrorResponse::NotFound)?;
            if !issue.labels.contains(&label.id) {
                let kind = EventKind::Labeled {
                    name: label.name,
                    color: label.color,
                };
                self.record(number, change, kind, |issue| issue.labels.push(label.id))?;
            }
        }
        Ok(())
    }

    /// Removes a label from an issue; refused if the issue does not have it.
    pub(in super::super) fn remove_label(
        &mut self,
        number: u64,
        name: &str,
        change: &Change,
    ) -> Result<(), ErrorResponse> {
        let issue = self.issue(number).ok_or(ErrorResponse::NotFound)?;
        let label = self
            .label(name)
            .filter(|label| issue.labels.contains(&label.id))
            .cloned();
        let label = label.ok_or(ErrorResponse::NoSuchLabel)?;
        let kind = EventKind::Unlabeled {
            name: label.name,
            color: label.color,
        };
        self.record(number, change, kind, |issue| {
            issue.labels.retain(|id| *id != label.id)
        })
    }

    /// Deletes a label of the repository. Issues lose it without an event.
    pub(in super::super) fn delete_label(&mut self, name: &str) -> Result<(), ErrorResponse> {
        let id = self.label(name).ok_or(ErrorResponse::NotFound)?.id;
        self.labels.retain(|label| label.id != id);
        for issue in self.issues.values_mut() {
            issue.labels.retain(|own| *own != id);
        }
        Ok(())
    }

    /// Replaces the labels of an issue.
    pub(in super::super) fn set_labels(
        &mut self,
        number: u64,
        names: &[String],
        change: &Change,
    ) -> Result<(), ErrorResponse> {
        let issue = self.issue(number).ok_or(ErrorResponse::NotFound)?;
        let unwanted: Vec<String> = self
            .labels_of(issue)
            .filter(|label| {
                !names
                    .iter()
                    .any(|name| name.to_lowercase() == label.name.to_lowercase())
            })
            .map(|label| label.name.clone())
            .collect();
        unwanted
            .iter()
            .try_for_each(|name| self.remove_label(number, name, change))?;
        self.add_labels(number, names, change)
    }
}

fn name_is_refused(name: &str) -> bool {
    name.trim().is_empty() || name.chars().count() > NAME_LIMIT
}
