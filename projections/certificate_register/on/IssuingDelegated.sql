INSERT INTO delegation (placement_id, partner_id)
VALUES (:placement_id, :partner_id)
ON CONFLICT (placement_id, partner_id) DO NOTHING;
