"""Every setting of every stage, with its type, range and default: the vocabulary of the project.

Plain declarations and checks, no computation: what a setting does stands in the stage that reads
it. (The resolved values are part of every result's key, so these files are not: adding a range
check here recomputes nothing.) Sections of the paper are named where a default comes from it.
"""
