//! Reactions to comments.

use super::super::error_response::{ErrorResponse, Invalid};
use super::super::views::REACTIONS;
use super::{Change, Comment, Reaction, Repository};

impl Repository {
    pub(in super::super) fn find_comment(&self, id: u64) -> Option<&Comment> {
        let mut comments = self.issues.values().flat_map(|issue| &issue.comments);
        comments.find(|comment| comment.id == id)
    }

    /// Adds a reaction to a comment, and returns whether it is new. It does not change the time of the comment.
    pub(in super::super) fn react(
        &mut self,
        id: u64,
        content: &str,
        change: &Change,
    ) -> Result<(bool, Reaction), ErrorResponse> {
        if !REACTIONS.contains(&content) {
            return Err(ErrorResponse::invalid(Invalid::field("Reaction", "content")));
        }
        let reaction_id = self.next_id();
        let mut comments = self.issues.values_mut().flat_map(|issue| &mut issue.comments);
        let comment = comments
            .find(|comment| comment.id == id)
            .ok_or(ErrorResponse::NotFound)?;
        let is_same = |given: &&Reaction| given.author == change.by && given.content == content;
        if let Some(given) = comment.reactions.iter().find(is_same) {
            return Ok((false, given.clone()));
        }
        let reaction = Reaction {
            id: reaction_id,
            author: change.by.clone(),
            content: content.to_owned(),
            created_at: change.at,
        };
        comment.reactions.push(reaction.clone());
        Ok((true, reaction))
    }
}
