/* why */ ALTER
	TABLE   `odd table`
 ADD
COLUMN `c``d` int -- because
;
INSERT INTO `odd table` VALUES (2,2,2);
alter table `odd table` /*!40000 drop column `a b` */;
