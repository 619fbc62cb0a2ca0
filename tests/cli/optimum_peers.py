"""optimum_peers.py PEER RUNS.CSV DATA.CSV: f* of the first run (loss - gap) against the objective at the peer's solution,
evaluated here. Exit status 1 when the peer is better than the certificate allows, or not as close as it should be."""
import csv
import json
import subprocess
import sys
import warnings

import numpy as np

warnings.simplefilter("ignore")  # "failed to converge": at the limit of doubles, which the comparison judges
peer, runs, data = sys.argv[1:]
with open(runs, newline="") as file:
    run = next(csv.DictReader(file))
problem = json.loads(run["config"])["problem"]
kind = problem["type"]
l1, l2 = problem.get("l1", 0.0), problem.get("l2", 0.0)
radius = problem.get("radius", np.inf)
penalize = bool(problem.get("penalize_intercept", False))
f_star = float(run["loss"]) - float(run["gap"])

table = np.loadtxt(data, delimiter=",", skiprows=1)
A, y = table[:, :-1], table[:, -1]
n, d = A.shape
assert np.all(A[:, -1] == 1.0) and (n, d) == (int(run["n"]), int(run["d"]))
X = A[:, :-1]
held = d if penalize else d - 1


def objective(x):
    z = A @ x
    if kind in ("least_squares", "lasso"):
        loss = 0.5 * (z - y) ** 2
    elif kind == "logistic_regression":
        loss = np.logaddexp(0.0, -y * z)
    elif kind == "linear_svm":
        loss = np.maximum(0.0, 1.0 - y * z)
    else:
        loss = np.abs(z - y)
    return loss.mean() + 0.5 * l2 * np.sum(x[:held] ** 2) + l1 * np.sum(np.abs(x[:held]))


def gradient(x):
    z = A @ x
    slope = z - y if kind == "least_squares" else -y / (1.0 + np.exp(y * z))
    return A.T @ slope / n + l2 * np.where(np.arange(d) < held, x, 0.0)


def from_lstsq():
    return np.linalg.lstsq(A, y, rcond=None)[0]


def from_ridge():
    from sklearn.linear_model import Ridge

    if penalize:
        return Ridge(alpha=n * l2, fit_intercept=False, solver="cholesky").fit(A, y).coef_
    model = Ridge(alpha=n * l2, solver="cholesky").fit(X, y)
    return np.append(model.coef_, model.intercept_)


def from_logistic():
    from sklearn.linear_model import LogisticRegression

    options = {"tol": 1e-8, "max_iter": 200}
    if l1:  # liblinear penalises the column of ones like any other
        model = LogisticRegression(penalty="l1", C=1.0 / (n * l1), solver="liblinear", fit_intercept=False, **options)
    elif l2:
        model = LogisticRegression(C=1.0 / (n * l2), solver="newton-cg", fit_intercept=not penalize, **options)
    else:
        model = LogisticRegression(penalty=None, solver="newton-cg", **options)
    if l1 or penalize:
        return model.fit(A, y).coef_[0]
    model.fit(X, y)
    return np.append(model.coef_[0], model.intercept_)


def from_lasso():
    from sklearn.linear_model import ElasticNet, Lasso

    options = {"tol": 1e-14, "max_iter": 1000000}
    if l2:
        model = ElasticNet(alpha=l1 + l2, l1_ratio=l1 / (l1 + l2), **options)
    else:
        model = Lasso(alpha=l1, **options)
    model.fit(X, y)
    return np.append(model.coef_, model.intercept_)


def from_svc():
    from sklearn.svm import SVC

    model = SVC(kernel="linear", C=1.0 / (n * l2), tol=1e-10).fit(X, y)
    return np.append(model.coef_[0], model.intercept_)


def from_linearsvc():
    from sklearn.svm import LinearSVC

    model = LinearSVC(loss="hinge", C=1.0 / (n * l2), fit_intercept=False, tol=1e-10, max_iter=10000000)
    return model.fit(A, y).coef_[0]


def from_linprog():
    """Variables x+, x-, and one bound per sample on its loss."""
    from scipy.optimize import linprog

    weight = np.where(np.arange(d) < held, l1, 0.0)
    cost = np.concatenate([weight, weight, np.full(n, 1.0 / n)])
    identity = np.eye(n)
    if kind == "linear_svm":
        rows = np.hstack([-y[:, None] * A, y[:, None] * A, -identity])
        bound = -np.ones(n)
    else:
        rows = np.vstack([np.hstack([A, -A, -identity]), np.hstack([-A, A, -identity])])
        bound = np.concatenate([y, -y])
    answer = linprog(cost, A_ub=rows, b_ub=bound, bounds=(0, None), method="highs")
    return answer.x[:d] - answer.x[d : 2 * d]


def from_slsqp():
    from scipy.optimize import minimize

    ball = {"type": "ineq", "fun": lambda x: radius**2 - x @ x, "jac": lambda x: -2.0 * x}
    options = {"ftol": 1e-15, "maxiter": 1000}
    answer = minimize(objective, np.zeros(d), jac=gradient, constraints=[ball], method="SLSQP", options=options)
    return answer.x * min(1.0, radius / np.linalg.norm(answer.x))


def from_liblinear():
    """Its own program: 0 logistic, 3 hinge, 6 logistic with l1; C = 1/(n l2); -B 1 adds the penalised column of ones."""
    solver = "3" if kind == "linear_svm" else "6" if l1 else "0"
    with open("peer.libsvm", "w") as file:
        for row, label in zip(X, y):
            file.write(f"{label:g} " + " ".join(f"{j + 1}:{v!r}" for j, v in enumerate(row.tolist())) + "\n")
    cost = repr(1.0 / (n * (l1 or l2)))
    command = ["liblinear-train", "-q", "-s", solver, "-c", cost, "-B", "1", "-e", "1e-9", "peer.libsvm", "peer.model"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    with open("peer.model") as file:
        lines = file.read().split("\n")
    first = float(next(line for line in lines if line.startswith("label")).split()[1])
    weights = lines[lines.index("w") + 1 :]
    return first * np.array([float(line) for line in weights if line.strip()])


# How close (relative) each peer comes; liblinear ends its dual method for the hinge after 1000 passes.
closeness = {
    "lstsq": 1e-11, "ridge": 1e-11, "logistic": 1e-9, "lasso": 1e-9, "svc": 1e-6, "linearsvc": 1e-6, "linprog": 1e-8,
    "slsqp": 1e-6, "liblinear": 1e-3 if kind == "linear_svm" else 1e-6,
}  # fmt: skip
x = globals()["from_" + peer]()
f_peer = objective(x)
excess = (f_peer - f_star) / f_star
print(f"{peer}: f* = {f_star:.15g}, the peer is {excess:.2g} f* above")
sys.exit(not -2e-9 <= excess <= closeness[peer])
