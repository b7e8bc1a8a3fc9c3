"""The paper's steps, one file each: ready-made steps to use in a project's pipelines, beside its own."""
