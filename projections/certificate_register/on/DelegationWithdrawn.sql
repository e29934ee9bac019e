DELETE FROM delegation WHERE placement_id = :placement_id AND partner_id = :partner_id;
