UPDATE certificate SET version = :version, wording = :wording WHERE certificate_id = :certificate_id;
