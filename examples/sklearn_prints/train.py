"""Classify handwritten digits with gradient boosting, and print the accuracy on held-out folds."""

import argparse

from sklearn.datasets import load_digits
from sklearn.ensemble import ExtraTreesClassifier
from sklearn.model_selection import cross_val_score


def parse_args():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--n-estimators", type=int, default=50, help="number of trees")
    parser.add_argument("--max-depth", type=int, default=8, help="depth of a tree")
    parser.add_argument("--max-features", type=float, default=0.3, help="share of features looked at in a split")
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


def main():
    args = parse_args()
    x, y = load_digits(return_X_y=True)
    model = ExtraTreesClassifier(
        n_estimators=args.n_estimators,
        max_depth=args.max_depth,
        max_features=args.max_features,
        random_state=args.seed,
    )
    scores = cross_val_score(model, x, y, cv=3)
    for fold, score in enumerate(scores):
        print(f"fold {fold}: {score:.4f}")
    print(f"accuracy: {scores.mean():.4f} +/- {scores.std():.4f}")


if __name__ == "__main__":
    main()
