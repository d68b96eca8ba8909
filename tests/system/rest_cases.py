"""The steps of test_rest_differences.py, in their order: each module adds its own to STEPS when it is imported, and goes on
with what those before have made."""
# ruff: noqa: F401
import rest_cases_lists
import rest_cases_people
import rest_cases_moderation
