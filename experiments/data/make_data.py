#!/usr/bin/python3
"""Makes the data sets that ship in this folder from the Debian packages python3-sklearn and liblinear-tools.

Usage: make_data.py [FOLDER]          FOLDER: where to write, default the folder of this script

Only the Python standard library is used. Numbers are copied as text, so no digit changes; the gzip files carry no name and
no time, so the same input gives the same bytes (with the same zlib). SHA256SUMS is written last.
"""
import csv
import gzip
import hashlib
import io
import pathlib
import sys

SKLEARN = pathlib.Path("/usr/lib/python3/dist-packages/sklearn/datasets/data")
HEART_SCALE = pathlib.Path("/usr/share/doc/liblinear-tools/examples/heart_scale")

CELL = ["radius", "texture", "perimeter", "area", "smoothness", "compactness", "concavity", "concave points", "symmetry",
        "fractal dimension"]
DIABETES = ["age", "sex", "bmi", "bp", "s1", "s2", "s3", "s4", "s5", "s6"]


def read_text(path):
    data = path.read_bytes()
    return (gzip.decompress(data) if path.suffix == ".gz" else data).decode("ascii")


def csv_text(header, rows):
    assert all(len(row) == len(header) for row in rows)
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return out.getvalue()


def breast_cancer():
    """569 x 30; label 0: malignant, 1: benign. The first line of the source is a summary, not data."""
    rows = list(csv.reader(io.StringIO(read_text(SKLEARN / "breast_cancer.csv"))))
    assert rows[0] == ["569", "30", "malignant", "benign"] and len(rows) == 570
    names = [f"mean {c}" for c in CELL] + [f"{c} error" for c in CELL] + [f"worst {c}" for c in CELL]
    return csv_text(names + ["label"], rows[1:])


def digits():
    """1797 x 64, 8x8 images of counts 0..16; label 0..9."""
    rows = list(csv.reader(io.StringIO(read_text(SKLEARN / "digits.csv.gz"))))
    assert len(rows) == 1797
    return csv_text([f"pixel_{r}_{c}" for r in range(8) for c in range(8)] + ["label"], rows)


def diabetes():
    """442 x 10, in the units of the study; target: disease progression after a year, a whole number."""
    features = [line.split() for line in read_text(SKLEARN / "diabetes_data_raw.csv.gz").splitlines()]
    targets = [float(line) for line in read_text(SKLEARN / "diabetes_target.csv.gz").splitlines()]
    assert len(features) == len(targets) == 442 and all(t == int(t) for t in targets)
    return csv_text(DIABETES + ["target"], [f + [str(int(t))] for f, t in zip(features, targets)])


def heart_scale():
    """270 x 13 in LIBSVM text; label -1: absence, +1: presence of heart disease. A copy."""
    return read_text(HEART_SCALE)


MADE = {
    "breast_cancer.csv.gz": breast_cancer,
    "diabetes.csv": diabetes,
    "digits.csv.gz": digits,
    "heart_scale.libsvm": heart_scale,
}


def main():
    folder = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else __file__).resolve()
    folder = folder if len(sys.argv) > 1 else folder.parent
    sums = []
    for name, make in MADE.items():
        data = make().encode("ascii")
        if name.endswith(".gz"):
            data = gzip.compress(data, compresslevel=9, mtime=0)
        (folder / name).write_bytes(data)
        sums.append(f"{hashlib.sha256(data).hexdigest()}  {name}\n")
    (folder / "SHA256SUMS").write_text("".join(sums))


if __name__ == "__main__":
    main()
