"""The migrations, oldest first. What was released is never edited."""
