-- Who may issue which certificate.
-- order: placement_id, partner_id
SELECT placement_id, partner_id
FROM delegation;
