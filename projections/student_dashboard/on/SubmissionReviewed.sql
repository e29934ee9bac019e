INSERT INTO placement (placement_id, student_id, submissions_accepted, reviews, score_sum)
VALUES (:placement_id, :student_id, CASE WHEN CAST(:verdict AS TEXT) = 'ACCEPTED' THEN 1 ELSE 0 END, 1, :score)
ON CONFLICT (placement_id) DO UPDATE SET
  submissions_accepted = placement.submissions_accepted + excluded.submissions_accepted,
  reviews = placement.reviews + excluded.reviews,
  score_sum = placement.score_sum + excluded.score_sum;
