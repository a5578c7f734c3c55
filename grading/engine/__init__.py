"""The examiner's engine: submissions run confined, a judge outside decides, reports say what was wrong with a file."""
