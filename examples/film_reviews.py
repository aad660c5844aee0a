"""Train on LLM-written film reviews and on 300 sentences of critics, and see what the generated labels are worth."""

from skweight import OpinionPoolClassifier
from skweight.datasets import fetch_film_sentences, load_film_reviews, minilm_folder
from skweight.inspection import WeightDisplay

synthetic = load_film_reviews()  # 1,320 rows, written by a language model
real = fetch_film_sentences()  # 300 real rows to learn from, 1,000 to test on
clf = OpinionPoolClassifier(minilm_folder(), max_epochs=2, lr=2e-4, random_state=0)
clf.fit(synthetic.X, synthetic.y, real_X=real.real_X, real_y=real.real_y)
print(clf.score(real.test_X, real.test_y))
print(clf.predict(["Dull, lifeless and far too long.", "Tender, odd and very funny."]))
for row in WeightDisplay.from_estimator(clf, groups=synthetic.kind).table():
    print(f"{row['group']:<15} {row['rows']:>4} rows, labels worth {row['mean_weight']:.2f}")
