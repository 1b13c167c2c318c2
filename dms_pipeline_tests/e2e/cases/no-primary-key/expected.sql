SELECT count(*) = 3 FROM {schema}.t WHERE a = 2 AND b = 'y'
