UPDATE worklist SET pending = pending - 1 WHERE placement_id = :placement_id;
