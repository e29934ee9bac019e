INSERT INTO report (internship_id, reviews_accepted, reviews_needing_revision, score_sum)
VALUES (:internship_id, CASE WHEN CAST(:verdict AS TEXT) = 'ACCEPTED' THEN 1 ELSE 0 END, CASE WHEN CAST(:verdict AS TEXT) = 'NEEDS_REVISION' THEN 1 ELSE 0 END, :score)
ON CONFLICT (internship_id) DO UPDATE SET
  reviews_accepted = report.reviews_accepted + excluded.reviews_accepted,
  reviews_needing_revision = report.reviews_needing_revision + excluded.reviews_needing_revision,
  score_sum = report.score_sum + excluded.score_sum;
