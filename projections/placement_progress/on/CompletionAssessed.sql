UPDATE progress SET assessed = :criteria WHERE placement_id = :placement_id;
