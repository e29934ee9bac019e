INSERT INTO worklist (placement_id, internship_id, pending)
VALUES (:placement_id, :internship_id, 1)
ON CONFLICT (placement_id) DO UPDATE SET pending = worklist.pending + 1;
