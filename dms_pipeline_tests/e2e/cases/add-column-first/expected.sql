SELECT b = 30 AND c = 31 AND a = 33 FROM {schema}.t WHERE k = 3
