#!/usr/bin/env python3
"""Cuts a small set of students out of the OULAD files: same files, same columns, fewer rows.

    scripts/oulad_sample.py DIR TARGET [--students 300]

The students are those of `oulad_commands.py --limit-students`: every outcome of every presentation, and every rare
case that the records have (second registrations, missing days, work after the end, ...). All rows of a chosen student
are kept; courses and assessments are kept whole.
"""

import argparse
from pathlib import Path

from oulad_commands import choose_students, read

WHOLE = ["courses.csv", "assessments.csv"]
BY_STUDENT = ["studentInfo.csv", "studentRegistration.csv", "studentAssessment.csv", "studentVle-sample.csv"]
ATTRIBUTION = """# Attribution

The CSV files in this folder are a part of the Open University Learning Analytics Dataset (OULAD), which is
anonymised, and is licensed under [CC BY 4.0](https://creativecommons.org/licenses/by/4.0/):

> Kuzilek J., Hlosta M., Zdrahal Z. Open University Learning Analytics dataset. Sci. Data 4:170171 (2017),
> doi [10.1038/sdata.2017.171](https://doi.org/10.1038/sdata.2017.171).

Changed: cut down to {count} students by `scripts/oulad_sample.py`; no row was altered.
"""


def main() -> None:
    parser = argparse.ArgumentParser(description="Cuts a sample of students out of the OULAD files.")
    parser.add_argument("directory", type=Path, metavar="DIR", help="the folder with the CSV files")
    parser.add_argument("target", type=Path, metavar="TARGET", help="the folder to write to")
    parser.add_argument("--students", type=int, default=300, metavar="N", help="how many (default 300)")
    options = parser.parse_args()
    chosen = {str(student) for student in choose_students(read(options.directory), options.students)}
    options.target.mkdir(parents=True, exist_ok=True)
    for name in WHOLE:
        (options.target / name).write_bytes((options.directory / name).read_bytes())
    for name in BY_STUDENT:
        copy(options.directory / name, options.target / name, chosen)
    (options.target / "ATTRIBUTION.md").write_text(ATTRIBUTION.format(count=len(chosen)), encoding="utf-8")


def copy(source: Path, target: Path, chosen: set) -> None:
    """Keeps the lines as they are: no field of these files holds a comma or a line break."""
    with open(source, encoding="utf-8", newline="") as lines, open(target, "w", encoding="utf-8", newline="") as out:
        header = next(lines)
        column = [name.strip('"\r\n') for name in header.split(",")].index("id_student")
        out.write(header)
        out.writelines(line for line in lines if line.split(",")[column].strip('"\r\n') in chosen)


if __name__ == "__main__":
    main()
